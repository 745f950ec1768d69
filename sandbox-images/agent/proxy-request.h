/**
 * Reading what a function asks of the proxy: where to, and how far the one request of a connection goes.
 */
#ifndef PROXY_REQUEST_H
#define PROXY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "http-request.h"
#include "limits.h"

/** How far what comes belongs to the request. */
struct extent {
    enum {
        /** To the end of the connection. */
        EXTENT_ALL,
        EXTENT_LENGTH,
        /** In a chunked body. */
        EXTENT_SIZE_FIRST,
        EXTENT_SIZE,
        EXTENT_EXTENSION,
        EXTENT_SIZE_END,
        EXTENT_DATA,
        EXTENT_DATA_RETURN,
        EXTENT_DATA_END,
        EXTENT_TRAILER_FIRST,
        EXTENT_TRAILER,
        EXTENT_TRAILER_END,
        EXTENT_LAST,
        EXTENT_DONE,
    } state;
    uint64_t left;
    /** Bytes of the present line of a chunked body. */
    size_t line_bytes;
};

struct proxy_request {
    /** CONNECT: what follows are bytes, not a request. */
    bool tunnel;
    /** `host:port`, for the server to judge. */
    char target[PROXY_TARGET_BYTES + 1];
    size_t head_bytes;
    struct extent extent;
};

/** Reads a head from the front of the bytes: CONNECT, or a request for a whole URL with http. */
enum http_progress proxy_read_head(const uint8_t *bytes, size_t count, struct proxy_request *request);

/** Room for any head that was read, as it goes on. */
enum { PROXY_HEAD_BYTES = HTTP_HEAD_BYTES + 2 * PROXY_TARGET_BYTES + 64 };

/**
 * The head as the other side is to see it: for the path alone, with the host that was asked for, and for one request.
 * The bytes are those that the head was read from. Returns how many were written.
 */
size_t proxy_write_head(const uint8_t *bytes, const struct proxy_request *request, char to[PROXY_HEAD_BYTES]);

/** How many of these bytes belong to the request; false when they are no body as the head announced it. */
bool extent_take(struct extent *extent, const uint8_t *bytes, size_t count, size_t *taken);

#endif
