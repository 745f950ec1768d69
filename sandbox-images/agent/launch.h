/**
 * Starting the code process of an instance, with its pipes and its channel.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "instance.h"

/** The code that a load frame names, and the environment it brings; both point into the frame. */
struct load {
    const char *digest;
    /** Entries KEY=VALUE, each ended by a zero byte. */
    const char *environment;
    size_t environment_bytes;
};

/** Ends the agent when the frame is malformed. */
void launch_read_load(const struct frame *frame, struct load *load);

/** Starts the language's process, or has the zygote fork one. Returns 0 or why it could not be executed. */
int launch_runtime(struct instance *instance);
/** Starts the function's own program. Returns 0 or why it could not be executed. */
int launch_bootstrap(struct instance *instance, const struct load *load);
/** The value of an entry of the environment; null when there is none. */
const char *launch_find(const struct load *load, const char *name);

#endif
