/**
 * The frames that the proxy sends, and how many at most.
 */
#ifndef PROXY_FRAMES_H
#define PROXY_FRAMES_H

#include <stdbool.h>

#include "frame.h"
#include "instance.h"

/** Whether there is room at the server, and any left of what may be sent in this second. */
bool proxy_may_send(void);
/** How long until more may be sent; −1 when that is not what is waited for. */
int proxy_pause_ms(void);
void proxy_send(const struct instance *instance, struct frame frame);

#endif
