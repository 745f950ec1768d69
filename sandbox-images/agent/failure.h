/**
 * A failure of the function's as the server takes it: the tail of a loaded or outcome frame.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include <stdint.h>

#include "frame.h"
#include "json.h"

struct failure {
    const char *code;
    /** Valid UTF-8. */
    char detail[DETAIL_BYTES + 1];
    /** Null when there is none. */
    const struct error_texts *error;
    /** In bytes, of a result that is too large; 0 when that is not it. */
    double result_max_bytes;
    double result_bytes;
};

void failure_detail(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));
/**
 * Fills in what a function posted: an object as json_read_error reads it, or else any text, which is then the message.
 * The type is the object's, else the one that the texts hold already, else `Error`.
 */
void failure_posted(struct failure *failure, struct error_texts *error, const char *what, const uint8_t *body,
                    size_t body_bytes);
void failure_too_large(struct failure *failure, double max_bytes, double bytes);
void failure_send(uint32_t instance, enum frame_type type, uint64_t nonce, const struct failure *failure);

#endif
