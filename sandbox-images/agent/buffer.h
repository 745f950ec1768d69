/**
 * A queue of bytes with a fixed bound.
 *
 * The bound is reserved once as address space; memory is taken only for what is held, and given back when a buffer
 * that was large runs empty. Nothing else in the agent allocates, so no input can make it grow past the sum of bounds.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *base;
    /** The bound. */
    size_t limit;
    /** What is held lies from start to end. */
    size_t start;
    size_t end;
    /** The highest end since memory was last given back. */
    size_t touched;
};

void buffer_open(struct buffer *buffer, size_t limit);
size_t buffer_held(const struct buffer *buffer);
/** How much more can be appended. */
size_t buffer_room(const struct buffer *buffer);
/** The held bytes; valid until the next call that is given this buffer. */
uint8_t *buffer_bytes(const struct buffer *buffer);
/** False, and nothing done, when there is no room. */
bool buffer_append(struct buffer *buffer, const void *bytes, size_t count);
/** Where `count` further bytes may be put, before `buffer_grow`; null when there is no room. */
uint8_t *buffer_space(struct buffer *buffer, size_t count);
void buffer_grow(struct buffer *buffer, size_t count);
/** Removes bytes at the front. */
void buffer_consume(struct buffer *buffer, size_t count);
/** Removes `count` bytes that begin at offset `at`. */
void buffer_cut(struct buffer *buffer, size_t at, size_t count);
void buffer_clear(struct buffer *buffer);

enum transfer { TRANSFER_SOME, TRANSFER_BLOCKED, TRANSFER_ENDED };

/** Reads once from a non-blocking descriptor, at most `max` bytes and as many as there is room for. */
enum transfer buffer_read(struct buffer *buffer, int descriptor, size_t max);
/** Writes until nothing is left or the non-blocking socket takes no more. */
enum transfer buffer_write(struct buffer *buffer, int socket);

#endif
