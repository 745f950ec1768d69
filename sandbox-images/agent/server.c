/**
 * The connection to the server.
 *
 * Owns both queues. Invariant: the queue to the server cannot outgrow its bound, because whoever reads from the
 * function asks `server_has_room` before, and one turn adds no more than what was already read.
 */
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"

/**
 * Room behind the mark: the largest frame, and the lines of one read of both log pipes if each of them were empty and
 * so took up nothing but a frame's head.
 */
static const size_t SLACK_BYTES = (size_t)2 * READ_BYTES * (FRAME_LENGTH_BYTES + FRAME_HEAD_BYTES + 1);

static struct {
    int socket;
    size_t max_frame_bytes;
    struct buffer in;
    struct buffer out;
} server;

void server_connect(const char *path, size_t max_frame_bytes) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die(EXIT_MALFORMED, "the server's socket has too long a path");
    memcpy(address.sun_path, path, strlen(path));
    server.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.socket < 0 || connect(server.socket, (struct sockaddr *)&address, sizeof address) != 0) {
        die(EXIT_UNCLEAN, "cannot connect to %s: %s", path, strerror(errno));
    }
    server.max_frame_bytes = max_frame_bytes;
    buffer_open(&server.in, FRAME_LENGTH_BYTES + max_frame_bytes + READ_BYTES);
    buffer_open(&server.out, SERVER_QUEUE_MARK_BYTES + FRAME_LENGTH_BYTES + max_frame_bytes + SLACK_BYTES);
}

void server_watch(struct poll_set *set) {
    poll_watch(set, SLOT_SERVER, server.socket, buffer_held(&server.out) > 0 ? POLLIN | POLLOUT : POLLIN);
}

void server_receive(const struct poll_set *set) {
    if (!poll_readable(set, SLOT_SERVER)) return;
    uint8_t *space = buffer_space(&server.in, READ_BYTES);
    if (space == NULL) die(EXIT_UNCLEAN, "frames of the server's were left unread");
    ssize_t count = recv(server.socket, space, READ_BYTES, MSG_DONTWAIT);
    if (count > 0) buffer_grow(&server.in, (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR)) die(EXIT_UNCLEAN, "the server has gone");
}

bool server_next(struct frame *frame, size_t *size) {
    const char *why = "";
    enum frame_found found = frame_look(&server.in, server.max_frame_bytes, frame, size, &why);
    if (found == FRAME_BROKEN) die(EXIT_MALFORMED, "the server sent %s", why);
    return found == FRAME_FOUND;
}

void server_done(size_t size) {
    buffer_consume(&server.in, size);
}

bool server_has_room(void) {
    return buffer_held(&server.out) < SERVER_QUEUE_MARK_BYTES;
}

void server_send(const struct frame *frame) {
    if (!frame_put(&server.out, frame)) die(EXIT_UNCLEAN, "the queue to the server is full");
}

bool server_flush(void) {
    bool had_room = server_has_room();
    if (buffer_write(&server.out, server.socket) == TRANSFER_ENDED) die(EXIT_UNCLEAN, "the server has gone");
    return !had_room && server_has_room();
}
