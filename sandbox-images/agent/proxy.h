/**
 * The way of the function's processes to the network: an HTTP proxy on the container's loopback.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>

#include "frame.h"
#include "instance.h"
#include "poll-set.h"

/** Once at start: reserves the buffers. */
void proxy_prepare(void);
/** Listens; returns 0 or the errno. */
int proxy_open(void);
/** Closes the listening socket and all connections, with what waits in them. */
void proxy_close(void);

/** An invocation begins while none is open: nothing from before may speak for it. */
void proxy_begin(void);
/** The last open invocation is about to be answered: what is under way ends with it. */
void proxy_end(const struct instance *instance);
/** What the server says about a connection; one that has ended meanwhile is none of its business any more. */
void proxy_hear(const struct frame *frame);

/** How many of the slots are in use. */
unsigned proxy_watch(struct poll_set *set);
void proxy_turn(const struct instance *instance, const struct poll_set *set);
/** How long the agent may sleep for the proxy's sake; −1: until something happens. */
int proxy_timeout_ms(void);

#endif
