/**
 * What the function's processes write to their descriptors 1 and 2, as log frames.
 */
#ifndef LOGS_H
#define LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "poll-set.h"

struct log_pipe {
    /** −1 when there is none, or when it has ended. */
    int descriptor;
    /** LOG_STDOUT or LOG_STDERR. */
    uint16_t stream;
    /** The line that is not complete yet. */
    uint8_t line[LOG_LINE_BYTES];
    size_t held;
    /** Bytes that were in the pipe when settling began and are not read yet. */
    size_t owed;
};

enum { LOG_PIPES = 2 };

struct logs {
    uint32_t instance;
    struct log_pipe pipes[LOG_PIPES];
    bool settling;
    /** What is left of the window; once a line was dropped, all further ones of the window are. */
    double budget;
    bool dropping;
};

/** Once at start. */
void logs_prepare(struct logs *logs);
/** Takes over the reading ends of two pipes, stdout's first. */
void logs_open(struct logs *logs, uint32_t instance, const int descriptors[LOG_PIPES]);
/** Closes the pipes and the window. */
void logs_close(struct logs *logs);
/** Begins a window of so many bytes. */
void logs_renew(struct logs *logs, double max_bytes);

void logs_watch(const struct logs *logs, struct poll_set *set);
/** Reads each readable pipe once. */
void logs_turn(struct logs *logs, const struct poll_set *set);
/**
 * Reads what was in the pipes at the first call, so that those lines come before what is sent next. False: the server
 * is behind; call again.
 */
bool logs_settle(struct logs *logs);
/** Reads until the pipes are empty. False: the server is behind; call again. */
bool logs_drain(struct logs *logs);
/** Sends what is held of lines that have no end. */
void logs_cut(struct logs *logs);

#endif
