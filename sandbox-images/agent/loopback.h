/**
 * Listening on the container's loopback.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

/** A listening socket that does not block; −1 with errno where there can be none. */
int loopback_listen(uint16_t port, int backlog);
/** Whether somebody could listen there now; errno says why not. */
bool loopback_is_free(uint16_t port);

#endif
