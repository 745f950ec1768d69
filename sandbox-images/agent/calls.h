/**
 * The calls that the server waits for an answer to: each has a nonce and gets one answer.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum call_kind { CALL_LOAD, CALL_INVOKE };

/** In the order in which they were opened. */
struct calls {
    struct call {
        uint64_t nonce;
        enum call_kind kind;
        /** Of the lines that the code process sent for it. */
        double log_bytes;
    } open[OPEN_CALLS_MAX];
    size_t count;
};

/** False when the nonce is open already or too many are. */
bool calls_open(struct calls *calls, enum call_kind kind, uint64_t nonce);
bool calls_is_open(const struct calls *calls, enum call_kind kind, uint64_t nonce);
/** Null when it is not open. */
struct call *calls_find(struct calls *calls, uint64_t nonce);
/** The call has its answer. */
void calls_close(struct calls *calls, uint64_t nonce);
/** Whether any call of this kind is open. */
bool calls_any(const struct calls *calls, enum call_kind kind);
/** The one that was opened last; null when there is none. */
const struct call *calls_newest(const struct calls *calls, enum call_kind kind);
size_t calls_count(const struct calls *calls, enum call_kind kind);

#endif
