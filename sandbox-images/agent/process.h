/**
 * Processes: how they are started, and how everything of the function's is killed.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** What is to be started. */
struct spawn {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *folder;
    /** Descriptors that become 1, 2 and, unless it is -1, 3. */
    int out;
    int err;
    int channel;
    /** 0: the process keeps the agent's identity, as only the zygote does. */
    uid_t uid;
};

/** Proves at start that uid and capabilities can be changed and come back; ends the agent when not. */
void process_prepare(uid_t uid);

/**
 * Starts a process. Returns 0 or why its program could not be executed. When the confinement itself cannot be put on,
 * the agent ends.
 */
int process_spawn(const struct spawn *spawn, pid_t *pid);

/** Kills every process of this uid, at once: none of them can fork in between. */
void process_kill_all(uid_t uid);

/** Whether anything of this uid is left, be it a zombie. */
bool process_any_left(uid_t uid);

/** Acts as the function does with files, or as root again. */
void process_act_as(uid_t uid);
void process_act_as_root(void);

#endif
