/**
 * Starting the code process of an instance.
 *
 * Owns the making of pipes and channel: the agent's ends never block and never reach a child; the other ends do not
 * outlive the start in the agent, so that the end of all writers can be seen.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basics.h"
#include "files.h"
#include "process.h"

static const char API_ENTRY[] = "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001";
_Static_assert(RUNTIME_API_PORT == 9001, "the entry above names the port");

/** Both ends of what connects agent and code process; −1 where there is nothing. */
struct streams {
    int channel[2];
    int out[2];
    int err[2];
};

static const struct streams NO_STREAMS = {.channel = {-1, -1}, .out = {-1, -1}, .err = {-1, -1}};

static void close_pair(int pair[2]) {
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) close(pair[i]);
    }
}

static bool open_pipe(int pair[2]) {
    return pipe2(pair, O_CLOEXEC) == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0;
}

/** The code process's end of the channel blocks, as runtimes expect; each makes it what it likes. */
static bool open_channel(int pair[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0;
}

static int start(struct instance *instance, const struct streams *streams, const struct spawn *program) {
    if (instance->runtime->model == MODEL_FORKED) {
        int error = zygote_ensure(runtime_command(instance->runtime, instance->memory_mb), BASE_ENVIRONMENT);
        if (error != 0) return error;
        zygote_fork(instance->uid, streams->channel[1], streams->out[1], streams->err[1]);
        instance->main.state = MAIN_ASKED_FOR;
        return 0;
    }
    struct spawn spawn = *program;
    spawn.out = streams->out[1];
    spawn.err = streams->err[1];
    spawn.channel = streams->channel[1];
    spawn.uid = instance->uid;
    int error = process_spawn(&spawn, &instance->main.pid);
    if (error == 0) instance->main.state = MAIN_RUNS;
    return error;
}

static int launch(struct instance *instance, const struct spawn *program) {
    struct streams streams = NO_STREAMS;
    bool has_channel = instance->runtime->model != MODEL_BOOTSTRAP;
    int error = 0;
    // A pipe is its maker's: only the function's own can be opened anew, as programs do with /dev/stdout.
    process_act_as(instance->uid);
    bool made = open_pipe(streams.out) && open_pipe(streams.err) && (!has_channel || open_channel(streams.channel));
    if (!made) error = errno;
    process_act_as_root();
    if (made) error = start(instance, &streams, program);
    if (error != 0) {
        close_pair(streams.out);
        close_pair(streams.err);
        close_pair(streams.channel);
        return error;
    }
    logs_open(&instance->logs, instance->id, (int[LOG_PIPES]){streams.out[0], streams.err[0]});
    close(streams.out[1]);
    close(streams.err[1]);
    if (!has_channel) return 0;
    channel_open(&instance->channel, streams.channel[0]);
    close(streams.channel[1]);
    return 0;
}

int launch_runtime(struct instance *instance) {
    char *const *command = runtime_command(instance->runtime, instance->memory_mb);
    return launch(instance, &(struct spawn){
        .path = command[0],
        .arguments = command,
        .environment = BASE_ENVIRONMENT,
        .folder = "/",
    });
}

void launch_read_load(const struct frame *frame, struct load *load) {
    const char *payload = (const char *)frame->payload;
    size_t digest_bytes = strnlen(payload, frame->payload_bytes);
    bool ended = frame->payload_bytes > 0 && payload[frame->payload_bytes - 1] == '\0';
    if (!ended || !files_is_digest(payload, digest_bytes)) die(EXIT_MALFORMED, "load: its payload names no code");
    load->digest = payload;
    load->environment = payload + digest_bytes + 1;
    load->environment_bytes = frame->payload_bytes - digest_bytes - 1;
}

/** The entry behind this one, or the first for null; null at the end. */
static const char *next_entry(const struct load *load, const char *entry) {
    const char *next = entry == NULL ? load->environment : entry + strlen(entry) + 1;
    return next < load->environment + load->environment_bytes ? next : NULL;
}

/** Whether two entries, or an entry and a name, are of the same name. */
static bool same_name(const char *entry, const char *other) {
    size_t length = strcspn(other, "=");
    return strncmp(entry, other, length) == 0 && entry[length] == '=';
}

const char *launch_find(const struct load *load, const char *name) {
    for (const char *entry = NULL; (entry = next_entry(load, entry)) != NULL;) {
        if (same_name(entry, name)) return entry + strlen(name) + 1;
    }
    return NULL;
}

/** The base environment, without what the function's own names anew; then the function's; then where the API is. */
static void build_environment(const struct load *load, char *environment[ENVIRONMENT_ENTRIES]) {
    size_t count = 0;
    for (char *const *base = BASE_ENVIRONMENT; *base != NULL; base++) {
        bool own = false;
        for (const char *entry = NULL; !own && (entry = next_entry(load, entry)) != NULL;) {
            own = same_name(entry, *base);
        }
        if (!own) environment[count++] = *base;
    }
    environment[count++] = (char *)API_ENTRY;
    for (const char *entry = NULL; (entry = next_entry(load, entry)) != NULL;) {
        if (same_name(entry, API_ENTRY)) continue;
        if (count == ENVIRONMENT_ENTRIES - 1) die(EXIT_MALFORMED, "load: too many environment entries");
        environment[count++] = (char *)entry;
    }
    environment[count] = NULL;
}

int launch_bootstrap(struct instance *instance, const struct load *load) {
    static char *environment[ENVIRONMENT_ENTRIES];
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "/code/%s", load->digest);
    (void)snprintf(path, sizeof path, "/code/%s/bootstrap", load->digest);
    build_environment(load, environment);
    return launch(instance, &(struct spawn){
        .path = path,
        .arguments = (char *[]){path, NULL},
        .environment = environment,
        .folder = folder,
    });
}
