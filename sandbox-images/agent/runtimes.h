/**
 * The runtimes: how each is started.
 */
#ifndef RUNTIMES_H
#define RUNTIMES_H

enum runtime_model {
    /** The agent starts the language's process; it loads code when it is told to. */
    MODEL_SPAWNED,
    /** A zygote forks it. */
    MODEL_FORKED,
    /** The function brings its own program, which speaks the Runtime API. */
    MODEL_BOOTSTRAP,
};

struct runtime {
    const char *name;
    enum runtime_model model;
    /** Of the language's process or of the zygote; its first is the program. To be had from `runtime_command`. */
    char *const *command;
};

/** The command line for a function of this memory; valid until the next call. */
char *const *runtime_command(const struct runtime *runtime, unsigned memory_mb);

/** Null when there is no such runtime. */
const struct runtime *runtime_find(const char *name);

/** What every process gets, ended by a null. */
extern char *const BASE_ENVIRONMENT[];

#endif
