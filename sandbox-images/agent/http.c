/**
 * A small HTTP server on the container's loopback.
 *
 * Owns the listening socket and the few connections. Invariants: at most HTTP_CONNECTIONS at once, each with buffers
 * of a fixed bound; one request at a time of each connection is handled, in order; nothing of a connection outlives
 * `http_close`, which comes with the end of each instance.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limits.h"
#include "loopback.h"

enum { RESPONSE_HEAD_BYTES = 2048 + CALLER_ARN_BYTES + CALLER_CONTEXT_BYTES };

struct http_connection {
    int socket;
    struct buffer in;
    struct buffer out;
    enum {
        AT_HEAD,
        AT_BODY,
        /** The request is there; it is being handled. */
        AT_REQUEST,
        /** The last answer was given; what still comes is thrown away, so that the answer can be read to its end. */
        AT_END,
    } state;
    struct http_request request;
    bool too_large;
    bool ended;
};

static struct {
    int listener;
    size_t max_body_bytes;
    struct http_connection connections[HTTP_CONNECTIONS];
} http = {.listener = -1};

void http_prepare(size_t max_body_bytes) {
    http.max_body_bytes = max_body_bytes;
    for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
        struct http_connection *connection = &http.connections[i];
        connection->socket = -1;
        buffer_open(&connection->in, HTTP_HEAD_BYTES + max_body_bytes + READ_BYTES);
        buffer_open(&connection->out, RESPONSE_HEAD_BYTES + max_body_bytes + READ_BYTES);
    }
}

int http_open(void) {
    http.listener = loopback_listen(RUNTIME_API_PORT, HTTP_BACKLOG);
    return http.listener < 0 ? errno : 0;
}

static void close_connection(struct http_connection *connection) {
    if (connection->socket >= 0) close(connection->socket);
    connection->socket = -1;
    buffer_clear(&connection->in);
    buffer_clear(&connection->out);
}

void http_close(void) {
    if (http.listener < 0) return;
    close(http.listener);
    http.listener = -1;
    for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) close_connection(&http.connections[i]);
}

static struct http_connection *free_connection(void) {
    for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
        if (http.connections[i].socket < 0) return &http.connections[i];
    }
    return NULL;
}

void http_watch(struct poll_set *set) {
    poll_watch(set, SLOT_LISTENER, http.listener, http.listener >= 0 && free_connection() != NULL ? POLLIN : 0);
    for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
        const struct http_connection *connection = &http.connections[i];
        int events = 0;
        // While a request is being handled only the other end's leaving matters: what it sends behind stays with it.
        if (!connection->ended) events |= connection->state == AT_REQUEST ? POLLRDHUP : POLLIN;
        if (buffer_held(&connection->out) > 0) events |= POLLOUT;
        poll_watch(set, SLOT_CONNECTION + i, connection->socket, connection->socket < 0 ? 0 : (short)events);
    }
}

static bool accept_one(void) {
    struct http_connection *connection = free_connection();
    if (http.listener < 0 || connection == NULL) return false;
    int socket = accept4(http.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return false;
    connection->socket = socket;
    connection->state = AT_HEAD;
    connection->ended = false;
    return true;
}

void http_respond(struct http_connection *connection, const char *status, const char *headers, const void *body,
                  size_t body_bytes) {
    char head[RESPONSE_HEAD_BYTES];
    bool last = !connection->request.keep_alive;
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s%s\r\n", status,
                          body_bytes, headers, last ? "Connection: close\r\n" : "");
    bool fits = length > 0 && (size_t)length < sizeof head &&
                (size_t)length + body_bytes <= buffer_room(&connection->out);
    // Who asks on and on without reading the answers is not answered any more.
    if (!fits) {
        connection->ended = true;
        connection->state = AT_END;
        return;
    }
    (void)buffer_append(&connection->out, head, (size_t)length);
    (void)buffer_append(&connection->out, body, body_bytes);
}

bool http_has_left(const struct http_connection *connection) {
    char byte;
    return connection->ended || recv(connection->socket, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void refuse(struct http_connection *connection, const char *status) {
    static const char body[] = "{\"errorMessage\":\"The request cannot be read.\",\"errorType\":\"InvalidRequest\"}";
    connection->request.keep_alive = false;
    http_respond(connection, status, "", body, sizeof body - 1);
    connection->state = AT_END;
}

static bool handle(struct http_connection *connection, http_handler *handler, void *context) {
    const struct http_request *request = &connection->request;
    const uint8_t *bytes = buffer_bytes(&connection->in);
    const struct http_call call = {
        .request = request,
        .path = (const char *)bytes + request->path.at,
        .path_bytes = request->path.bytes,
        .error_type = (const char *)bytes + request->error_type.at,
        .error_type_bytes = request->error_type.bytes,
        .body = bytes + request->head_bytes,
        .body_bytes = connection->too_large ? 0 : request->body_bytes,
        .too_large = connection->too_large,
    };
    if (!handler(connection, &call, context)) return false;
    if (connection->state == AT_END) return true;
    connection->state = request->keep_alive ? AT_HEAD : AT_END;
    buffer_consume(&connection->in, request->head_bytes + call.body_bytes);
    return true;
}

/** Takes one step with what was read; false when there is none to take. */
static bool advance(struct http_connection *connection, http_handler *handler, void *context) {
    struct http_request *request = &connection->request;
    enum http_progress progress;
    switch (connection->state) {
    case AT_HEAD:
        progress = http_read_head(buffer_bytes(&connection->in), buffer_held(&connection->in), request);
        if (progress == HTTP_NOT_YET) return false;
        if (progress == HTTP_HEAD_TOO_LARGE) refuse(connection, "431 Request Header Fields Too Large");
        else if (progress == HTTP_BAD) refuse(connection, "400 Bad Request");
        else connection->state = AT_BODY;
        return true;
    case AT_BODY:
        progress = http_read_body(&connection->in, request, http.max_body_bytes);
        connection->too_large = progress == HTTP_BODY_TOO_LARGE;
        if (progress == HTTP_BAD) refuse(connection, "400 Bad Request");
        else if (progress != HTTP_NOT_YET) connection->state = AT_REQUEST;
        if (connection->too_large) request->keep_alive = false;
        if (progress == HTTP_NOT_YET && request->expects_continue) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            request->expects_continue = false;
            (void)buffer_append(&connection->out, go_on, sizeof go_on - 1);
        }
        return progress != HTTP_NOT_YET;
    case AT_REQUEST:
        return handle(connection, handler, context);
    case AT_END:
        buffer_clear(&connection->in);
        return false;
    }
    return false;
}

static void finish(struct http_connection *connection) {
    bool reachable = buffer_write(&connection->out, connection->socket) != TRANSFER_ENDED;
    bool flushed = buffer_held(&connection->out) == 0;
    if (connection->state == AT_END && flushed && !connection->ended) (void)shutdown(connection->socket, SHUT_WR);
    if (!reachable || (connection->ended && connection->state != AT_REQUEST && flushed)) close_connection(connection);
}

/** Reads once and goes as far as that leads; false when there was nothing to do. */
static bool turn_connection(struct http_connection *connection, http_handler *handler, void *context) {
    if (connection->socket < 0) return false;
    bool moved = false;
    if (!connection->ended && connection->state != AT_REQUEST) {
        enum transfer result = buffer_read(&connection->in, connection->socket, READ_BYTES);
        connection->ended = result == TRANSFER_ENDED;
        moved = result == TRANSFER_SOME;
    }
    // It ends with what was read: no more than one read lies behind a request.
    while (advance(connection, handler, context)) moved = true;
    finish(connection);
    return moved;
}

void http_turn(const struct poll_set *set, http_handler *handler, void *context) {
    if (poll_readable(set, SLOT_LISTENER)) (void)accept_one();
    for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
        struct http_connection *connection = &http.connections[i];
        short events = set->slots[SLOT_CONNECTION + i].revents;
        bool has_left = (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        if (connection->state == AT_REQUEST && has_left) connection->ended = true;
        (void)turn_connection(connection, handler, context);
    }
}

bool http_drain(http_handler *handler, void *context) {
    bool waits = false;
    // Who wrote is dead, so that there is an end to what can be read, and to the connections in the backlog.
    for (bool moved = true; moved;) {
        moved = false;
        waits = false;
        while (accept_one()) moved = true;
        for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
            moved = turn_connection(&http.connections[i], handler, context) || moved;
            waits = waits || (http.connections[i].socket >= 0 && http.connections[i].state == AT_REQUEST);
        }
    }
    return !waits;
}
