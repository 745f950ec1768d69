/**
 * An HTTP proxy on the container's loopback, for the function's processes.
 *
 * Owns the listening socket and the table of connections. Invariants: at most PROXY_CONNECTIONS at once; no connection
 * outlives the last open invocation, and none from before it speaks for the next.
 */
#include "proxy.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limits.h"
#include "loopback.h"
#include "proxy-connection.h"
#include "proxy-frames.h"

static struct {
    int listener;
    struct proxy_connection connections[PROXY_CONNECTIONS];
} proxy = {.listener = -1};

void proxy_prepare(void) {
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) proxy_connection_prepare(&proxy.connections[i]);
}

int proxy_open(void) {
    const int window = PROXY_WINDOW_BYTES;
    proxy.listener = loopback_listen(PROXY_PORT, PROXY_BACKLOG);
    if (proxy.listener < 0) return errno;
    // Connections have them from here. The kernel would let them grow to megabytes each.
    (void)setsockopt(proxy.listener, SOL_SOCKET, SO_SNDBUF, &window, sizeof window);
    (void)setsockopt(proxy.listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    return 0;
}

static void close_all(void) {
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        struct proxy_connection *connection = &proxy.connections[i];
        if (connection->number != 0) proxy_connection_reset(connection);
        else proxy_connection_close(connection);
    }
}

void proxy_close(void) {
    if (proxy.listener < 0) return;
    close(proxy.listener);
    proxy.listener = -1;
    close_all();
}

void proxy_begin(void) {
    if (proxy.listener >= 0) close_all();
}

void proxy_end(const struct instance *instance) {
    if (proxy.listener < 0) return;
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        if (proxy.connections[i].number != 0) proxy_connection_cut_off(instance, &proxy.connections[i]);
    }
    close_all();
}

void proxy_hear(const struct frame *frame) {
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        struct proxy_connection *connection = &proxy.connections[i];
        if (connection->number != frame->a || connection->number == 0) continue;
        proxy_connection_hear(connection, frame);
        return;
    }
}

static struct proxy_connection *free_connection(void) {
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        if (proxy.connections[i].socket < 0) return &proxy.connections[i];
    }
    return NULL;
}

unsigned proxy_watch(struct poll_set *set) {
    if (proxy.listener < 0) return SLOT_PROXY_LISTENER;
    poll_watch(set, SLOT_PROXY_LISTENER, proxy.listener, free_connection() == NULL ? 0 : POLLIN);
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        const struct proxy_connection *connection = &proxy.connections[i];
        poll_watch(set, SLOT_PROXY_CONNECTION + i, connection->socket, proxy_connection_events(connection));
    }
    return SLOTS;
}

/** Afterwards, so that no connection is taken for readable because of what had its place before. */
static void accept_all(void) {
    for (struct proxy_connection *connection; (connection = free_connection()) != NULL;) {
        int socket = accept4(proxy.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        proxy_connection_open(connection, socket);
    }
}

void proxy_turn(const struct instance *instance, const struct poll_set *set) {
    if (proxy.listener < 0) return;
    for (unsigned i = 0; i < PROXY_CONNECTIONS; i++) {
        struct proxy_connection *connection = &proxy.connections[i];
        if (connection->socket < 0) continue;
        proxy_connection_turn(instance, connection, poll_readable(set, SLOT_PROXY_CONNECTION + i));
    }
    if (poll_readable(set, SLOT_PROXY_LISTENER)) accept_all();
}

int proxy_timeout_ms(void) {
    return proxy.listener < 0 ? -1 : proxy_pause_ms();
}
