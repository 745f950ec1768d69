/**
 * A small HTTP server on the container's loopback, for the function's own program.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http-request.h"
#include "poll-set.h"

struct http_connection;

/** A request that is there as a whole. */
struct http_call {
    const struct http_request *request;
    const char *path;
    size_t path_bytes;
    const char *error_type;
    size_t error_type_bytes;
    const uint8_t *body;
    size_t body_bytes;
    /** The body is larger than may be, and was not taken in; `request->length` is what is known of its size. */
    bool too_large;
};

/** False: not now; the same request is handed in again at the next turn. */
typedef bool http_handler(struct http_connection *connection, const struct http_call *call, void *context);

/** Once at start: reserves the buffers. */
void http_prepare(size_t max_body_bytes);
/** Listens; returns 0 or the errno. */
int http_open(void);
/** Closes the listening socket and all connections, with what waits in them. */
void http_close(void);
void http_watch(struct poll_set *set);
void http_turn(const struct poll_set *set, http_handler *handle, void *context);
/** Accepts, reads and handles all that is there. False: a request waits for its answer still. */
bool http_drain(http_handler *handle, void *context);

/** Whether who asked has closed its end, as far as can be seen. */
bool http_has_left(const struct http_connection *connection);
/** Answers the request that is being handled. `headers` is lines, each with its end. */
void http_respond(struct http_connection *connection, const char *status, const char *headers, const void *body,
                  size_t body_bytes);

#endif
