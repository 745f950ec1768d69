/**
 * The calls that the server waits for an answer to. Owns the table of one instance.
 */
#include "calls.h"

#include <string.h>

bool calls_open(struct calls *calls, enum call_kind kind, uint64_t nonce) {
    if (calls->count == OPEN_CALLS_MAX) return false;
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->open[i].nonce == nonce) return false;
    }
    calls->open[calls->count++] = (struct call){.nonce = nonce, .kind = kind};
    return true;
}

bool calls_is_open(const struct calls *calls, enum call_kind kind, uint64_t nonce) {
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->open[i].nonce == nonce) return calls->open[i].kind == kind;
    }
    return false;
}

struct call *calls_find(struct calls *calls, uint64_t nonce) {
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->open[i].nonce == nonce) return &calls->open[i];
    }
    return NULL;
}

void calls_close(struct calls *calls, uint64_t nonce) {
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->open[i].nonce != nonce) continue;
        calls->count--;
        memmove(&calls->open[i], &calls->open[i + 1], (calls->count - i) * sizeof calls->open[0]);
        return;
    }
}

bool calls_any(const struct calls *calls, enum call_kind kind) {
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->open[i].kind == kind) return true;
    }
    return false;
}

const struct call *calls_newest(const struct calls *calls, enum call_kind kind) {
    for (size_t i = calls->count; i > 0; i--) {
        if (calls->open[i - 1].kind == kind) return &calls->open[i - 1];
    }
    return NULL;
}

size_t calls_count(const struct calls *calls, enum call_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < calls->count; i++) count += calls->open[i].kind == kind;
    return count;
}
