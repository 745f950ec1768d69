/**
 * The socket to a code process. Owns its two queues; knows nothing of what the frames in them mean.
 */
#include "channel.h"

#include <unistd.h>

#include "limits.h"
#include "server.h"

void channel_prepare(struct channel *channel, size_t max_frame_bytes) {
    size_t frame_bytes = FRAME_LENGTH_BYTES + max_frame_bytes;
    buffer_open(&channel->in, frame_bytes + READ_BYTES);
    buffer_open(&channel->out, frame_bytes * CODE_QUEUE_FRAMES);
    channel->socket = -1;
}

void channel_open(struct channel *channel, int socket) {
    channel->socket = socket;
    channel->ended = false;
    channel->muted = false;
}

void channel_close(struct channel *channel) {
    if (channel->socket >= 0) close(channel->socket);
    channel->socket = -1;
    buffer_clear(&channel->in);
    buffer_clear(&channel->out);
}

void channel_watch(const struct channel *channel, struct poll_set *set) {
    int events = 0;
    if (!channel->ended && !channel->muted && server_has_room()) events |= POLLIN;
    if (!channel->ended && buffer_held(&channel->out) > 0) events |= POLLOUT;
    poll_watch(set, SLOT_CHANNEL, channel->socket, (short)events);
}

enum transfer channel_read(struct channel *channel) {
    if (channel->socket < 0 || channel->ended) return TRANSFER_ENDED;
    enum transfer result = buffer_read(&channel->in, channel->socket, READ_BYTES);
    channel->ended = result == TRANSFER_ENDED;
    return result;
}

bool channel_send(struct channel *channel, const struct frame *frame) {
    return channel->ended || frame_put(&channel->out, frame);
}

void channel_flush(struct channel *channel) {
    if (channel->socket < 0 || channel->ended) return;
    // That the other end was closed is found by reading, behind what it still sent.
    if (buffer_write(&channel->out, channel->socket) == TRANSFER_ENDED) buffer_clear(&channel->out);
}
