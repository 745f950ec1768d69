/**
 * The zygote: a process of a language that can fork, with everything loaded that a function needs, kept over
 * instances. It is trusted: it never runs a tenant's code and never reads what a child of it says.
 */
#ifndef ZYGOTE_H
#define ZYGOTE_H

#include <stdbool.h>
#include <sys/types.h>

#include "poll-set.h"

/** What the zygote tells: a child was forked, or has ended; or that it has ended itself. */
struct zygote_news {
    enum { ZYGOTE_FORKED, ZYGOTE_CHILD_ENDED, ZYGOTE_ENDED } what;
    pid_t pid;
    /** As waitpid gives it. */
    int status;
};

/** Starts the zygote unless there is one. Returns 0 or why it could not be executed. */
int zygote_ensure(char *const *arguments, char *const *environment);

/** Ends it, if there is one, to give its memory back; the next `zygote_ensure` starts another. Only while it has no child. */
void zygote_end(void);
void zygote_watch(struct poll_set *set);
/** Asks for a child with these descriptors as its 3, 1 and 2. */
void zygote_fork(uid_t uid, int channel, int out, int err);
/** What the zygote says, if it says something. */
bool zygote_hear(struct zygote_news *news);

#endif
