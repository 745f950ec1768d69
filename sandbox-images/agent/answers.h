/**
 * What a code process may say over its channel.
 */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "instance.h"

/** Relays the frames that have come. False: the server is behind; call again. */
bool answers_relay(struct instance *instance);
/** Reads and relays everything that is there. False: the server is behind; call again. */
bool answers_drain(struct instance *instance);

#endif
