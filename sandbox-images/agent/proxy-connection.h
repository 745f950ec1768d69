/**
 * One connection to the proxy: from its head to the last byte in either direction.
 */
#ifndef PROXY_CONNECTION_H
#define PROXY_CONNECTION_H

#include <stdbool.h>

#include "buffer.h"
#include "frame.h"
#include "instance.h"
#include "proxy-request.h"

struct proxy_connection {
    int socket;
    /** The server's name for it; 0 while it has none, or none any more. */
    double number;
    enum {
        AT_HEAD,
        /** The server was asked. */
        AT_OPENING,
        /** It may go on, and its head is still to be sent. */
        AT_OPEN,
        AT_BYTES,
        /** Nothing more goes on; what still comes is thrown away, so that the answer can be read to its end. */
        AT_END,
    } state;
    struct proxy_request request;
    /** From the function, and to it. */
    struct buffer in;
    struct buffer out;
    /** The function's end was closed for writing, and the server has been told. */
    bool ended;
    bool told_end;
    /** The function has been told that nothing more comes. */
    bool shut;
    /** Bytes of the other side's have come. */
    bool answered;
    /** At the front of `out`: bytes of the agent's own, which nobody gives credit for. */
    size_t own_bytes;
    /** What the server takes now, and what the function has read without the server being told. */
    size_t credit;
    size_t owed;
};

/** Once at start: reserves the buffers. */
void proxy_connection_prepare(struct proxy_connection *connection);
/** Takes over a socket that was accepted. */
void proxy_connection_open(struct proxy_connection *connection, int socket);
void proxy_connection_close(struct proxy_connection *connection);
/** The same, so that what was cut off does not look complete to whoever reads it. */
void proxy_connection_reset(struct proxy_connection *connection);
/** Tells the server that nobody in here wants it any more, and resets it. */
void proxy_connection_cut_off(const struct instance *instance, struct proxy_connection *connection);

/** Takes in what the server says about it. */
void proxy_connection_hear(struct proxy_connection *connection, const struct frame *frame);
/** What to wait for, as events of poll. */
short proxy_connection_events(const struct proxy_connection *connection);
/** Does all that can be done now. */
void proxy_connection_turn(const struct instance *instance, struct proxy_connection *connection, bool readable);

#endif
