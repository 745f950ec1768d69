/**
 * Listening on the container's loopback.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <stdint.h>

/** A listening socket that does not block; −1 with errno where there can be none. */
int loopback_listen(uint16_t port, int backlog);

#endif
