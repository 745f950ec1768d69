/**
 * What the function's processes write to their descriptors 1 and 2, as log frames.
 *
 * Owns the two pipes of an instance, lines and their budget. Any process of the function's may write there, anything
 * and as fast as it likes: a line is held in a fixed place, a window lets only so much through, the rest is read and
 * thrown away, and while the server is behind nothing is read at all.
 */
#include "logs.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basics.h"
#include "frame.h"
#include "server.h"

enum { CHUNK_BYTES = 16 * 1024 };

void logs_prepare(struct logs *logs) {
    logs->pipes[0] = (struct log_pipe){.descriptor = -1, .stream = LOG_STDOUT};
    logs->pipes[1] = (struct log_pipe){.descriptor = -1, .stream = LOG_STDERR};
    logs_close(logs);
}

void logs_open(struct logs *logs, uint32_t instance, const int descriptors[LOG_PIPES]) {
    logs->instance = instance;
    for (unsigned i = 0; i < LOG_PIPES; i++) logs->pipes[i].descriptor = descriptors[i];
}

static void close_pipe(struct log_pipe *pipe) {
    if (pipe->descriptor >= 0) close(pipe->descriptor);
    pipe->descriptor = -1;
    pipe->owed = 0;
}

void logs_close(struct logs *logs) {
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        close_pipe(&logs->pipes[i]);
        // What the line held is the function's; the next instance's must not lie among it.
        memset(logs->pipes[i].line, 0, logs->pipes[i].held);
        logs->pipes[i].held = 0;
    }
    logs->settling = false;
    // Before the first window nothing is let through, and nothing told of it: no code of the function's has run.
    logs->budget = 0;
    logs->dropping = true;
}

void logs_renew(struct logs *logs, double max_bytes) {
    logs->budget = max_bytes;
    logs->dropping = false;
}

static void send_line(struct logs *logs, const struct log_pipe *pipe, uint16_t flags, size_t bytes) {
    server_send(&(struct frame){
        .type = FRAME_LOG,
        .flags = pipe->stream | flags,
        .instance = logs->instance,
        .a = wall_ms(),
        .payload = pipe->line,
        .payload_bytes = bytes,
    });
}

static void end_line(struct logs *logs, struct log_pipe *pipe) {
    size_t bytes = pipe->held;
    pipe->held = 0;
    if (logs->dropping) return;
    double cost = (double)bytes + 1;
    if (cost > logs->budget) {
        logs->dropping = true;
        send_line(logs, pipe, LOG_DROPPED, 0);
        return;
    }
    logs->budget -= cost;
    send_line(logs, pipe, 0, bytes);
}

static void take(struct logs *logs, struct log_pipe *pipe, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        const uint8_t *newline = memchr(bytes, '\n', count);
        size_t part = newline == NULL ? count : (size_t)(newline - bytes);
        size_t room = LOG_LINE_BYTES - pipe->held;
        if (part > room) {
            // Only now is it known that the line goes on: it is cut, and what comes is a line of its own.
            memcpy(pipe->line + pipe->held, bytes, room);
            pipe->held += room;
            bytes += room;
            count -= room;
            end_line(logs, pipe);
            continue;
        }
        memcpy(pipe->line + pipe->held, bytes, part);
        pipe->held += part;
        bytes += part;
        count -= part;
        if (newline == NULL) return;
        bytes += 1;
        count -= 1;
        end_line(logs, pipe);
    }
}

/** Reads once; false when there is nothing to read now or ever. */
static bool read_pipe(struct logs *logs, struct log_pipe *pipe, size_t max) {
    uint8_t chunk[CHUNK_BYTES];
    if (pipe->descriptor < 0) return false;
    ssize_t count = read(pipe->descriptor, chunk, max < sizeof chunk ? max : sizeof chunk);
    if (count > 0) {
        take(logs, pipe, chunk, (size_t)count);
        pipe->owed -= pipe->owed < (size_t)count ? pipe->owed : (size_t)count;
        return true;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) close_pipe(pipe);
    return false;
}

void logs_watch(const struct logs *logs, struct poll_set *set) {
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        poll_watch(set, SLOT_STDOUT + i, logs->pipes[i].descriptor, server_has_room() ? POLLIN : 0);
    }
}

void logs_turn(struct logs *logs, const struct poll_set *set) {
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        if (poll_readable(set, SLOT_STDOUT + i) && server_has_room()) {
            (void)read_pipe(logs, &logs->pipes[i], CHUNK_BYTES);
        }
    }
}

bool logs_settle(struct logs *logs) {
    if (!logs->settling) {
        logs->settling = true;
        for (unsigned i = 0; i < LOG_PIPES; i++) {
            struct log_pipe *pipe = &logs->pipes[i];
            int waiting = 0;
            if (pipe->descriptor >= 0 && ioctl(pipe->descriptor, FIONREAD, &waiting) == 0) pipe->owed = (size_t)waiting;
        }
    }
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        struct log_pipe *pipe = &logs->pipes[i];
        while (pipe->owed > 0) {
            if (!server_has_room()) return false;
            if (!read_pipe(logs, pipe, pipe->owed)) pipe->owed = 0;
        }
    }
    logs->settling = false;
    return true;
}

bool logs_drain(struct logs *logs) {
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        for (;;) {
            if (!server_has_room()) return false;
            if (!read_pipe(logs, &logs->pipes[i], CHUNK_BYTES)) break;
        }
    }
    return true;
}

void logs_cut(struct logs *logs) {
    for (unsigned i = 0; i < LOG_PIPES; i++) {
        if (logs->pipes[i].held > 0) end_line(logs, &logs->pipes[i]);
    }
}
