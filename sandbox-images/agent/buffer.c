/**
 * A queue of bytes with a fixed bound, and its ways in from and out to descriptors.
 *
 * Owns the memory of every queue. Never interprets what it holds.
 */
#include "buffer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"

/** A buffer that held more than this gives its memory back when it runs empty. */
static const size_t KEPT_BYTES = 64 * 1024;

void buffer_open(struct buffer *buffer, size_t limit) {
    void *base = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) die(EXIT_UNCLEAN, "no address space for a buffer of %zu bytes", limit);
    *buffer = (struct buffer){.base = base, .limit = limit};
}

size_t buffer_held(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

size_t buffer_room(const struct buffer *buffer) {
    return buffer->limit - buffer_held(buffer);
}

uint8_t *buffer_bytes(const struct buffer *buffer) {
    return buffer->base + buffer->start;
}

uint8_t *buffer_space(struct buffer *buffer, size_t count) {
    if (count > buffer_room(buffer)) return NULL;
    if (count > buffer->limit - buffer->end) {
        memmove(buffer->base, buffer_bytes(buffer), buffer_held(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    return buffer->base + buffer->end;
}

void buffer_grow(struct buffer *buffer, size_t count) {
    buffer->end += count;
    if (buffer->end > buffer->touched) buffer->touched = buffer->end;
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t count) {
    uint8_t *space = buffer_space(buffer, count);
    if (space == NULL) return false;
    if (count > 0) memcpy(space, bytes, count);
    buffer_grow(buffer, count);
    return true;
}

void buffer_consume(struct buffer *buffer, size_t count) {
    buffer->start += count;
    if (buffer->start < buffer->end) return;
    buffer->start = 0;
    buffer->end = 0;
    if (buffer->touched <= KEPT_BYTES) return;
    (void)madvise(buffer->base, buffer->limit, MADV_DONTNEED);
    buffer->touched = 0;
}

void buffer_cut(struct buffer *buffer, size_t at, size_t count) {
    uint8_t *hole = buffer_bytes(buffer) + at;
    memmove(hole, hole + count, buffer_held(buffer) - at - count);
    buffer->end -= count;
}

void buffer_clear(struct buffer *buffer) {
    buffer_consume(buffer, buffer_held(buffer));
}

enum transfer buffer_read(struct buffer *buffer, int descriptor, size_t max) {
    size_t room = buffer_room(buffer);
    size_t wanted = max < room ? max : room;
    if (wanted == 0) return TRANSFER_BLOCKED;
    ssize_t count = read(descriptor, buffer_space(buffer, wanted), wanted);
    if (count > 0) {
        buffer_grow(buffer, (size_t)count);
        return TRANSFER_SOME;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return TRANSFER_BLOCKED;
    return TRANSFER_ENDED;
}

enum transfer buffer_write(struct buffer *buffer, int socket) {
    while (buffer_held(buffer) > 0) {
        ssize_t count = send(socket, buffer_bytes(buffer), buffer_held(buffer), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) buffer_consume(buffer, (size_t)count);
        else if (count < 0 && errno == EINTR) continue;
        else if (count < 0 && (errno == EAGAIN || errno == ENOBUFS)) return TRANSFER_BLOCKED;
        else return TRANSFER_ENDED;
    }
    return TRANSFER_SOME;
}
