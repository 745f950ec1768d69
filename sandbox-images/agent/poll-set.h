/**
 * The descriptors that the agent waits on: each has its place, empty or not.
 */
#ifndef POLL_SET_H
#define POLL_SET_H

#include <poll.h>
#include <stdbool.h>

#include "limits.h"

enum slot {
    SLOT_SERVER,
    SLOT_SIGNALS,
    SLOT_ZYGOTE,
    SLOT_CHANNEL,
    SLOT_STDOUT,
    SLOT_STDERR,
    SLOT_LISTENER,
    SLOT_CONNECTION,
    SLOT_PROXY_LISTENER = SLOT_CONNECTION + HTTP_CONNECTIONS,
    SLOT_PROXY_CONNECTION,
    SLOTS = SLOT_PROXY_CONNECTION + PROXY_CONNECTIONS,
};

struct poll_set {
    struct pollfd slots[SLOTS];
};

/** Without events the descriptor is left out, so that one that was hung up does not wake the agent over and over. */
static inline void poll_watch(struct poll_set *set, unsigned slot, int descriptor, short events) {
    set->slots[slot] = (struct pollfd){.fd = events == 0 ? -1 : descriptor, .events = events};
}

/** Whether there is something to read, or an end to be found by reading. */
static inline bool poll_readable(const struct poll_set *set, unsigned slot) {
    return (set->slots[slot].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

#endif
