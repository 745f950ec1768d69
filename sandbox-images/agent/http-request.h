/**
 * Reading HTTP/1.1 requests from bytes, as far as the Runtime API needs it.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/** A part of the bytes that a request was read from: where it begins, counted from the request's first byte. */
struct part {
    size_t at;
    size_t bytes;
};

struct http_request {
    enum { HTTP_GET, HTTP_POST, HTTP_OTHER } method;
    /** Without the query. */
    struct part path;
    struct part error_type;
    size_t head_bytes;
    /** In a chunked body: what is decoded so far, which lies right behind the head. */
    size_t body_bytes;
    bool has_length;
    uint64_t length;
    bool keep_alive;
    bool expects_continue;
    bool chunked;
    /** Where the decoding of a chunked body stands. */
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER } chunk_state;
    uint64_t chunk_left;
};

enum http_progress { HTTP_NOT_YET, HTTP_COMPLETE, HTTP_BAD, HTTP_HEAD_TOO_LARGE, HTTP_BODY_TOO_LARGE };

/** Reads request line and headers from the front of the bytes. */
enum http_progress http_read_head(const uint8_t *bytes, size_t count, struct http_request *request);
/** Looks whether the body is there; a chunked one is decoded in its place as it comes. */
enum http_progress http_read_body(struct buffer *buffer, struct http_request *request, size_t max_bytes);

#endif
