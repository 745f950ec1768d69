/**
 * The connection to the server. There is one, for as long as the agent lives: when it ends the agent ends.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "frame.h"
#include "poll-set.h"

void server_connect(const char *path, size_t max_frame_bytes);
void server_watch(struct poll_set *set);
/** Reads once. */
void server_receive(const struct poll_set *set);
/** The next frame of the server's; `server_done` says that it was dealt with. */
bool server_next(struct frame *frame, size_t *size);
void server_done(size_t size);

/** Whether what comes from the function may be read: not while the server is behind with reading. */
bool server_has_room(void);
void server_send(const struct frame *frame);
/**
 * Writes what the server takes now. True when that made room where there was none: what was put off for want of it
 * must be looked at again at once, because nothing else may ever wake the agent for it.
 */
bool server_flush(void);

#endif
