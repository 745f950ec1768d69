/**
 * Emptying folders, and what a function may leave behind outside of its processes.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * Removes everything in a folder; true when it is empty then. Nothing else may change the folder meanwhile. Needs the
 * identity of the owner of what is in it.
 */
bool sweep_folder(const char *path);

/**
 * Removes what the function, of which nothing may run any more, has left: files in /tmp, System V shared memory,
 * semaphores and message queues, POSIX message queues. Ends the agent, and so the container, when something stays.
 */
void wipe(uid_t uid);

#endif
