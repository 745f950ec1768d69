/**
 * One connection to the proxy.
 *
 * Decides nothing: it asks the server for one host and port, and is from then on bytes in both directions. Invariants:
 * one request a connection, so that each is judged; nobody is sent more than has credit, in either direction; whoever
 * does not read is not sent more than a window.
 */
#include "proxy-connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"
#include "proxy-frames.h"

/** Room for an answer of the agent's own, and the statuses that the server may want it to have. */
enum { ANSWER_BYTES = 4096, STATUS_MIN = 400, STATUS_MAX = 599, STATUS_UNKNOWN = 502 };

/** The server tells connections apart by numbers that are never used again. */
static double last_number;

void proxy_connection_prepare(struct proxy_connection *connection) {
    connection->socket = -1;
    buffer_open(&connection->in, HTTP_HEAD_BYTES + READ_BYTES);
    buffer_open(&connection->out, PROXY_WINDOW_BYTES + ANSWER_BYTES);
}

void proxy_connection_open(struct proxy_connection *connection, int socket) {
    const int yes = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->socket = socket;
    connection->state = AT_HEAD;
    connection->ended = false;
    connection->told_end = false;
    connection->shut = false;
    connection->answered = false;
    connection->own_bytes = 0;
    connection->credit = 0;
    connection->owed = 0;
}

void proxy_connection_close(struct proxy_connection *connection) {
    if (connection->socket >= 0) close(connection->socket);
    connection->socket = -1;
    connection->number = 0;
    buffer_clear(&connection->in);
    buffer_clear(&connection->out);
}

/** So that what was cut off does not look complete to whoever reads it. */
void proxy_connection_reset(struct proxy_connection *connection) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    proxy_connection_close(connection);
}

/** Nobody in here wants it any more. There are no more of these than were begun, so that they need no room asked for. */
static void give_up(const struct instance *instance, struct proxy_connection *connection) {
    if (connection->number == 0) return;
    proxy_send(instance, (struct frame){.type = FRAME_NETWORK_END, .a = connection->number});
    connection->number = 0;
}

void proxy_connection_cut_off(const struct instance *instance, struct proxy_connection *connection) {
    give_up(instance, connection);
    proxy_connection_reset(connection);
}

static const char *reason_of(unsigned status) {
    switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Error";
    }
}

/** Answers instead of the other side, which nothing has come from. */
static void respond(struct proxy_connection *connection, unsigned status, const char *body, size_t body_bytes) {
    char head[ANSWER_BYTES];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n", status, reason_of(status), body_bytes);
    (void)buffer_append(&connection->out, head, (size_t)length);
    (void)buffer_append(&connection->out, body, body_bytes);
    connection->own_bytes = buffer_held(&connection->out);
    connection->number = 0;
    connection->state = AT_END;
}

static void refuse(struct proxy_connection *connection, unsigned status, const char *code, const char *message) {
    char body[512];
    int length = snprintf(body, sizeof body, "{\"code\":\"%s\",\"message\":\"%s\"}", code, message);
    respond(connection, status, body, (size_t)length);
}

static void opened(struct proxy_connection *connection) {
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    connection->state = AT_OPEN;
    if (!connection->request.tunnel) return;
    (void)buffer_append(&connection->out, established, sizeof established - 1);
    connection->own_bytes = sizeof established - 1;
    buffer_consume(&connection->in, connection->request.head_bytes);
    connection->state = AT_BYTES;
}

static void failed(struct proxy_connection *connection, const struct frame *frame) {
    if (connection->state != AT_OPENING) {
        proxy_connection_reset(connection);
        return;
    }
    bool known = frame->b >= STATUS_MIN && frame->b <= STATUS_MAX;
    respond(connection, known ? (unsigned)frame->b : STATUS_UNKNOWN, frame->meta, frame->meta_bytes);
}

void proxy_connection_hear(struct proxy_connection *connection, const struct frame *frame) {
    bool opening = connection->state == AT_OPENING;
    if (frame->type == FRAME_NETWORK_END) {
        failed(connection, frame);
        return;
    }
    if (opening != (frame->type == FRAME_NETWORK_HEAD)) {
        die(EXIT_MALFORMED, "frame of type %u about a connection in state %d", frame->type, (int)connection->state);
    }
    if (opening) {
        opened(connection);
    } else if (frame->type == FRAME_NETWORK_CREDIT) {
        double most = (double)(PROXY_WINDOW_BYTES - connection->credit);
        if (!(frame->b >= 0 && frame->b <= most)) die(EXIT_MALFORMED, "credit for bytes that were not sent");
        connection->credit += (size_t)frame->b;
    } else {
        if (!buffer_append(&connection->out, frame->payload, frame->payload_bytes)) {
            die(EXIT_MALFORMED, "bytes beyond the credit of a connection");
        }
        if (frame->payload_bytes > 0) connection->answered = true;
        if ((frame->flags & NETWORK_LAST) == 0) return;
        connection->number = 0;
        connection->state = AT_END;
    }
}

static bool wants_to_read(const struct proxy_connection *connection) {
    if (connection->ended) return false;
    if (connection->state == AT_HEAD) return buffer_held(&connection->in) < HTTP_HEAD_BYTES;
    if (connection->state == AT_END) return true;
    return connection->state == AT_BYTES && connection->credit > 0 && buffer_held(&connection->in) == 0 && proxy_may_send();
}

short proxy_connection_events(const struct proxy_connection *connection) {
    if (connection->socket < 0) return 0;
    int events = wants_to_read(connection) ? POLLIN : 0;
    if (buffer_held(&connection->out) > 0) events |= POLLOUT;
    return (short)events;
}

/** Asks the server for the host and port of a head that is there. */
static void ask(const struct instance *instance, struct proxy_connection *connection) {
    if (instance->state != INSTANCE_CODE || !calls_any(&instance->calls, CALL_INVOKE)) {
        refuse(connection, 503, "network_denied",
               "there is no network while no invocation is under way; ask in the handler");
        return;
    }
    if (!proxy_may_send()) return;
    const char *target = connection->request.target;
    connection->number = ++last_number;
    connection->credit = PROXY_WINDOW_BYTES;
    connection->state = AT_OPENING;
    proxy_send(instance, (struct frame){
        .type = FRAME_NETWORK_FETCH,
        .flags = NETWORK_TUNNEL,
        .a = connection->number,
        .meta = target,
        .meta_bytes = strlen(target),
        .payload = (const uint8_t *)target,
        .payload_bytes = strlen(target),
    });
}

static void read_head(const struct instance *instance, struct proxy_connection *connection) {
    switch (proxy_read_head(buffer_bytes(&connection->in), buffer_held(&connection->in), &connection->request)) {
    case HTTP_NOT_YET:
        if (connection->ended) proxy_connection_close(connection);
        return;
    case HTTP_COMPLETE:
        ask(instance, connection);
        return;
    case HTTP_HEAD_TOO_LARGE:
        refuse(connection, 431, "network_limit", "the head of the request has more bytes than the proxy takes");
        return;
    default:
        refuse(connection, 400, "ERR_INVALID_REQUEST",
               "the proxy takes CONNECT host:port, or a request for a whole URL with http:// and one length of its body");
    }
}

static void send_bytes(const struct instance *instance, struct proxy_connection *connection, const void *bytes,
                       size_t count, uint16_t flags) {
    connection->credit -= count;
    proxy_send(instance, (struct frame){
        .type = FRAME_NETWORK_DATA,
        .flags = flags,
        .a = connection->number,
        .payload = bytes,
        .payload_bytes = count,
    });
}

static void send_head(const struct instance *instance, struct proxy_connection *connection) {
    static char head[PROXY_HEAD_BYTES];
    if (!proxy_may_send()) return;
    size_t count = proxy_write_head(buffer_bytes(&connection->in), &connection->request, head);
    send_bytes(instance, connection, head, count, 0);
    buffer_consume(&connection->in, connection->request.head_bytes);
    connection->state = AT_BYTES;
}

/** Sends on what belongs to the request. False: the connection is of no further use. */
static bool forward(const struct instance *instance, struct proxy_connection *connection) {
    struct extent *extent = &connection->request.extent;
    while (buffer_held(&connection->in) > 0 && connection->credit > 0 && proxy_may_send()) {
        size_t count = buffer_held(&connection->in);
        size_t taken;
        if (count > connection->credit) count = connection->credit;
        if (count > PROXY_CHUNK_BYTES) count = PROXY_CHUNK_BYTES;
        if (!extent_take(extent, buffer_bytes(&connection->in), count, &taken)) return false;
        if (taken > 0) send_bytes(instance, connection, buffer_bytes(&connection->in), taken, 0);
        buffer_consume(&connection->in, taken);
        if (taken == count) continue;
        // A second request has to be judged, and its connection leads to where the first was for. One that was sent
        // right behind the first is dropped: whoever sends so asks again.
        if (connection->answered) return false;
        buffer_clear(&connection->in);
    }
    bool whole = extent->state == EXTENT_ALL || extent->state == EXTENT_DONE;
    if (!connection->ended || connection->told_end || buffer_held(&connection->in) > 0) return true;
    if (!whole) return false;
    if (!proxy_may_send()) return true;
    connection->told_end = true;
    send_bytes(instance, connection, NULL, 0, NETWORK_LAST);
    return true;
}

static void receive(struct proxy_connection *connection) {
    if (!wants_to_read(connection)) return;
    if (buffer_read(&connection->in, connection->socket, READ_BYTES) == TRANSFER_ENDED) connection->ended = true;
    if (connection->state == AT_END) buffer_clear(&connection->in);
}

/** Hands the function what is there for it, and tells the server of larger parts. */
static void deliver(const struct instance *instance, struct proxy_connection *connection) {
    size_t before = buffer_held(&connection->out);
    bool reachable = buffer_write(&connection->out, connection->socket) != TRANSFER_ENDED;
    size_t written = before - buffer_held(&connection->out);
    size_t own = written < connection->own_bytes ? written : connection->own_bytes;
    connection->own_bytes -= own;
    connection->owed += written - own;
    if (!reachable) {
        proxy_connection_cut_off(instance, connection);
        return;
    }
    if (connection->number != 0 && connection->owed >= PROXY_CREDIT_BYTES && proxy_may_send()) {
        proxy_send(instance, (struct frame){
            .type = FRAME_NETWORK_CREDIT,
            .a = connection->number,
            .b = (double)connection->owed,
        });
        connection->owed = 0;
    }
    if (connection->state != AT_END || buffer_held(&connection->out) > 0) return;
    if (connection->ended) proxy_connection_close(connection);
    else if (!connection->shut) (void)shutdown(connection->socket, SHUT_WR);
    connection->shut = true;
}

void proxy_connection_turn(const struct instance *instance, struct proxy_connection *connection, bool readable) {
    if (readable) receive(connection);
    if (connection->state == AT_HEAD && buffer_held(&connection->in) + connection->ended > 0) {
        read_head(instance, connection);
    }
    if (connection->state == AT_OPEN) send_head(instance, connection);
    if (connection->state == AT_BYTES && connection->socket >= 0 && !forward(instance, connection)) {
        proxy_connection_cut_off(instance, connection);
    }
    if (connection->socket >= 0) deliver(instance, connection);
}
