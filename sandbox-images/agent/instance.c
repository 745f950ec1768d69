/**
 * The one instance that the container holds at a time: its states, and how it ends.
 *
 * Owns the order of things: what a process wrote before its end is relayed before the end is told; nothing of an
 * instance is left, neither process nor file nor queued byte, before the next one may begin. Never reads what the
 * function says; that is answers.c and runtime-api.c.
 *
 * empty → booting → runtime → loading → code → ending → empty; every state may go to ending.
 */
#include "instance.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "answers.h"
#include "basics.h"
#include "launch.h"
#include "limits.h"
#include "process.h"
#include "proxy.h"
#include "runtime-api.h"
#include "server.h"
#include "sweep.h"

static const char *const REASONS[] = {
    [END_BY_ITSELF] = "",
    [END_TERMINATED] = "it was terminated",
    [END_VIOLATION] = "it broke the protocol",
    [END_CHANNEL_CLOSED] = "it closed its channel",
    [END_CHANNEL_UNREAD] = "it did not read its channel",
};

/** The states that may come next, as bits. */
static const unsigned NEXT_STATES[] = {
    [INSTANCE_EMPTY] = 1U << INSTANCE_BOOTING | 1U << INSTANCE_ENDING,
    [INSTANCE_BOOTING] = 1U << INSTANCE_RUNTIME | 1U << INSTANCE_ENDING,
    [INSTANCE_RUNTIME] = 1U << INSTANCE_LOADING | 1U << INSTANCE_ENDING,
    [INSTANCE_LOADING] = 1U << INSTANCE_CODE | 1U << INSTANCE_ENDING,
    [INSTANCE_CODE] = 1U << INSTANCE_ENDING,
    [INSTANCE_ENDING] = 1U << INSTANCE_EMPTY,
};

void instance_enter(struct instance *instance, enum instance_state state) {
    if ((NEXT_STATES[instance->state] & 1U << state) == 0) {
        die(EXIT_MALFORMED, "an instance cannot go from state %d to state %d", (int)instance->state, (int)state);
    }
    instance->state = state;
}

void instance_prepare(struct instance *instance) {
    instance->state = INSTANCE_EMPTY;
    channel_prepare(&instance->channel, instance->max_frame_bytes);
    if (instance->runtime->model == MODEL_BOOTSTRAP) runtime_api_prepare(instance->max_frame_bytes);
    logs_prepare(&instance->logs);
    proxy_prepare();
}

static void send_about(const struct instance *instance, enum frame_type type, double a, double b, const char *meta) {
    server_send(&(struct frame){
        .type = (uint8_t)type,
        .instance = instance->id,
        .a = a,
        .b = b,
        .meta = meta,
        .meta_bytes = strlen(meta),
    });
}

void instance_boot(struct instance *instance, uint32_t id, double memory_mb) {
    if (!(memory_mb >= MEMORY_MB_MIN && memory_mb <= MEMORY_MB_MAX)) die(EXIT_MALFORMED, "boot: %f MB", memory_mb);
    instance_enter(instance, INSTANCE_BOOTING);
    instance->id = id;
    instance->memory_mb = (unsigned)memory_mb;
    instance->started_ms = monotonic_ms();
    if (instance->runtime->model == MODEL_BOOTSTRAP) {
        instance->booted = true;
        instance_enter(instance, INSTANCE_RUNTIME);
        send_about(instance, FRAME_BOOTED, monotonic_ms() - instance->started_ms, 0, "");
        return;
    }
    int error = launch_runtime(instance);
    if (error == 0) return;
    send_about(instance, FRAME_BOOT_FAILED, 0, 0, strerror(error));
    instance->told = true;
    instance_end(instance, END_BY_ITSELF);
}

static void close_streams(struct instance *instance) {
    channel_close(&instance->channel);
    logs_close(&instance->logs);
    runtime_api_close();
    proxy_close();
    instance->calls.count = 0;
}

/** Kills what is alive of the instance, also a child that is still about to become the function's. */
static void kill_everything(const struct instance *instance) {
    process_kill_all(instance->uid);
    if (instance->main.state == MAIN_RUNS) (void)kill(instance->main.pid, SIGKILL);
}

void instance_end(struct instance *instance, enum end_cause cause) {
    if (instance->state == INSTANCE_ENDING) return;
    instance_enter(instance, INSTANCE_ENDING);
    instance->cause = cause;
    kill_everything(instance);
}

void instance_dispose(struct instance *instance, uint32_t id) {
    if (instance->state == INSTANCE_EMPTY) instance->id = id;
    if (instance->id != id) die(EXIT_MALFORMED, "dispose: instance %u is not here, %u is", id, instance->id);
    instance_end(instance, END_BY_ITSELF);
    instance->disposing = true;
    close_streams(instance);
}

void instance_answered(struct instance *instance, uint64_t nonce) {
    bool invocation = calls_is_open(&instance->calls, CALL_INVOKE, nonce);
    if (invocation && calls_count(&instance->calls, CALL_INVOKE) == 1) proxy_end(instance);
    calls_close(&instance->calls, nonce);
}

void instance_violated(struct instance *instance, const char *why) {
    send_about(instance, FRAME_VIOLATION, 0, 0, why);
    instance->channel.muted = true;
    instance_end(instance, END_VIOLATION);
}

static void main_ended(struct instance *instance, int status) {
    instance->main.state = MAIN_ENDED;
    instance->main.status = status;
    instance_end(instance, END_BY_ITSELF);
}

void instance_reaped(struct instance *instance, pid_t pid, int status) {
    if (instance->main.state == MAIN_RUNS && pid == instance->main.pid) main_ended(instance, status);
}

void instance_zygote_news(struct instance *instance, const struct zygote_news *news) {
    struct main_process *process = &instance->main;
    switch (news->what) {
    case ZYGOTE_FORKED:
        if (process->state != MAIN_ASKED_FOR) die(EXIT_UNCLEAN, "the zygote forked a child that nobody asked for");
        process->state = MAIN_RUNS;
        process->pid = news->pid;
        if (instance->state == INSTANCE_ENDING) kill_everything(instance);
        return;
    case ZYGOTE_CHILD_ENDED:
        instance_reaped(instance, news->pid, news->status);
        return;
    case ZYGOTE_ENDED:
        if (instance->state == INSTANCE_BOOTING) send_about(instance, FRAME_BOOT_FAILED, 0, 0, "the zygote has ended");
        (void)server_flush();
        die(EXIT_UNCLEAN, "the zygote has ended");
    }
}

/** Relays all that was written before the end. False: the server is behind; call again. */
static bool drain(struct instance *instance) {
    bool answered = instance->runtime->model == MODEL_BOOTSTRAP ? runtime_api_drain(instance) : answers_drain(instance);
    if (!answered || !logs_drain(&instance->logs)) return false;
    logs_cut(&instance->logs);
    return true;
}

static void tell_end(struct instance *instance) {
    int status = instance->main.state == MAIN_ENDED ? instance->main.status : -1;
    bool exited = instance->main.state == MAIN_ENDED && WIFEXITED(status);
    bool killed = instance->main.state == MAIN_ENDED && WIFSIGNALED(status);
    int code = exited ? WEXITSTATUS(status) : -1;
    int signal_number = killed ? WTERMSIG(status) : 0;
    if (instance->booted) {
        bool bootstrap = instance->runtime->model == MODEL_BOOTSTRAP;
        // Whoever was killed did not choose to end: the server knows whether it was for want of memory.
        if (bootstrap && instance->cause == END_BY_ITSELF && signal_number != SIGKILL) {
            runtime_api_ended(instance, code, signal_number);
        }
        send_about(instance, FRAME_EXITED, code, signal_number, REASONS[instance->cause]);
        return;
    }
    char why[64];
    (void)snprintf(why, sizeof why, "its process ended: exit status %d, signal %d", code, signal_number);
    send_about(instance, FRAME_BOOT_FAILED, 0, 0, why);
}

static void make_empty(struct instance *instance) {
    wipe(instance->uid);
    send_about(instance, FRAME_DISPOSED, 0, 0, "");
    instance->main = (struct main_process){.state = MAIN_NONE};
    instance->load_failed = false;
    instance->grace_until_ms = 0;
    instance->cause = END_BY_ITSELF;
    instance->booted = false;
    instance->told = false;
    instance->disposing = false;
    instance_enter(instance, INSTANCE_EMPTY);
}

/** One step after another of the end, as far as it gets now. */
static void advance_end(struct instance *instance) {
    kill_everything(instance);
    if (instance->main.state == MAIN_ASKED_FOR || instance->main.state == MAIN_RUNS) return;
    if (!instance->told && !instance->disposing) {
        if (!drain(instance)) return;
        tell_end(instance);
        instance->told = true;
        close_streams(instance);
    }
    if (instance->disposing && !process_any_left(instance->uid)) make_empty(instance);
}

static void turn_channel(struct instance *instance, const struct poll_set *set) {
    if (poll_readable(set, SLOT_CHANNEL) && server_has_room()) (void)channel_read(&instance->channel);
    // Its end counts once all that came before is relayed. A process that is ending by itself gets the time to.
    if (!answers_relay(instance) || !instance->channel.ended || instance->state == INSTANCE_ENDING) return;
    double now = monotonic_ms();
    if (instance->grace_until_ms == 0) instance->grace_until_ms = now + CHANNEL_GRACE_MS;
    else if (now >= instance->grace_until_ms) instance_end(instance, END_CHANNEL_CLOSED);
}

void instance_turn(struct instance *instance, const struct poll_set *set) {
    if (instance->state == INSTANCE_EMPTY) return;
    logs_turn(&instance->logs, set);
    if (instance->runtime->model == MODEL_BOOTSTRAP) runtime_api_turn(instance, set);
    else turn_channel(instance, set);
    if (instance->state != INSTANCE_ENDING) proxy_turn(instance, set);
    if (instance->state == INSTANCE_ENDING) advance_end(instance);
    channel_flush(&instance->channel);
}

unsigned instance_watch(struct instance *instance, struct poll_set *set) {
    channel_watch(&instance->channel, set);
    logs_watch(&instance->logs, set);
    // Its connections are prepared for the one model alone; for others they are no descriptors to wait for.
    if (instance->runtime->model == MODEL_BOOTSTRAP) runtime_api_watch(set);
    // Of an instance that is ending nothing is read there any more, so that nothing may wake the agent for it.
    return instance->state == INSTANCE_ENDING ? SLOT_PROXY_LISTENER : proxy_watch(set);
}

int instance_timeout_ms(const struct instance *instance) {
    if (instance->state == INSTANCE_ENDING) {
        bool waits_for_end = instance->main.state == MAIN_ASKED_FOR || instance->main.state == MAIN_RUNS;
        return waits_for_end || instance->disposing ? KILL_AGAIN_MS : -1;
    }
    int proxy_ms = proxy_timeout_ms();
    if (instance->grace_until_ms == 0) return proxy_ms;
    double left = instance->grace_until_ms - monotonic_ms();
    int grace_ms = left > 0 ? (int)left + 1 : 0;
    return proxy_ms >= 0 && proxy_ms < grace_ms ? proxy_ms : grace_ms;
}
