/**
 * The socket to a code process, for the runtimes that have one: bytes in both directions.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>

#include "buffer.h"
#include "frame.h"
#include "poll-set.h"

struct channel {
    /** −1 when there is none. */
    int socket;
    struct buffer in;
    struct buffer out;
    /** The other end was closed: nothing will come any more. */
    bool ended;
    /** What comes is not looked at any more. */
    bool muted;
};

/** Once at start: reserves the buffers. */
void channel_prepare(struct channel *channel, size_t max_frame_bytes);
void channel_open(struct channel *channel, int socket);
/** Closes it and forgets all that was on its way. */
void channel_close(struct channel *channel);
void channel_watch(const struct channel *channel, struct poll_set *set);
enum transfer channel_read(struct channel *channel);
/** False when the code process has left too much unread. */
bool channel_send(struct channel *channel, const struct frame *frame);
void channel_flush(struct channel *channel);

#endif
