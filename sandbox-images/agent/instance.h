/**
 * The one instance that the container holds at a time.
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "calls.h"
#include "channel.h"
#include "frame.h"
#include "logs.h"
#include "poll-set.h"
#include "runtimes.h"
#include "zygote.h"

enum instance_state {
    /** No instance: nothing of a function's runs, nothing of one lies about. */
    INSTANCE_EMPTY,
    /** The language comes up. */
    INSTANCE_BOOTING,
    /** It waits for code. */
    INSTANCE_RUNTIME,
    /** Code was handed over and is initialised. */
    INSTANCE_LOADING,
    /** It serves. */
    INSTANCE_CODE,
    /** Everything of it was killed; stays until the server disposes of it. */
    INSTANCE_ENDING,
};

/** Why everything was killed. */
enum end_cause {
    END_BY_ITSELF,
    END_TERMINATED,
    END_VIOLATION,
    END_CHANNEL_CLOSED,
    END_CHANNEL_UNREAD,
};

struct instance {
    const struct runtime *runtime;
    uid_t uid;
    size_t max_frame_bytes;

    enum instance_state state;
    uint32_t id;
    unsigned memory_mb;
    double started_ms;
    /** The code process. */
    struct main_process {
        enum { MAIN_NONE, MAIN_ASKED_FOR, MAIN_RUNS, MAIN_ENDED } state;
        pid_t pid;
        /** As waitpid gives it. */
        int status;
    } main;
    struct channel channel;
    struct logs logs;
    struct calls calls;
    double log_max_bytes;
    bool load_failed;
    /** When a process that closed its channel is killed; 0: it did not. */
    double grace_until_ms;

    enum end_cause cause;
    bool booted;
    bool told;
    bool disposing;
};

void instance_prepare(struct instance *instance);
/** The one way from state to state; one that is not foreseen ends the agent. */
void instance_enter(struct instance *instance, enum instance_state state);

void instance_boot(struct instance *instance, uint32_t id, double memory_mb);
/** Kills everything of the instance. What it wrote before is relayed, then its end is told. */
void instance_end(struct instance *instance, enum end_cause cause);
/** Kills everything, tells nothing more, and makes the container empty again. */
void instance_dispose(struct instance *instance, uint32_t id);
/** A call has its answer, which is about to be told. */
void instance_answered(struct instance *instance, uint64_t nonce);
/** The code process broke the protocol. */
void instance_violated(struct instance *instance, const char *why);

/** A child of PID 1 has ended. */
void instance_reaped(struct instance *instance, pid_t pid, int status);
void instance_zygote_news(struct instance *instance, const struct zygote_news *news);

/** How many slots are in use. */
unsigned instance_watch(struct instance *instance, struct poll_set *set);
/** Does all that can be done now. */
void instance_turn(struct instance *instance, const struct poll_set *set);
/** How long the agent may sleep; −1: until something happens. */
int instance_timeout_ms(const struct instance *instance);

#endif
