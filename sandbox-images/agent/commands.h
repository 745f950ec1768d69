/**
 * What the server asks for.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "instance.h"

/** Carries out the frames that have come from the server. */
void commands_carry_out(struct instance *instance);

#endif
