/**
 * The agent: PID 1 of a container that runs functions nobody trusts.
 *
 * Owns start-up and the one loop: wait, take in what the server says, do what can be done, send. Everything happens
 * on one thread, and nothing but the wait ever blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basics.h"
#include "commands.h"
#include "instance.h"
#include "process.h"
#include "server.h"

static const char SERVER_SOCKET[] = "/run/strata/agent.sock";
static const char USAGE[] = "usage: agent --runtime nodejs24|python3|provided --uid 20000…20999 --max-frame BYTES";

/** Descriptors up to this one are what a code process is given; the agent's own must never be among them. */
enum { LAST_GIVEN_DESCRIPTOR = 3 };

static unsigned long read_number(const char *text, unsigned long least, unsigned long most) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || value < least || value > most) {
        die(EXIT_MALFORMED, "%s is not a number from %lu to %lu; %s", text, least, most, USAGE);
    }
    return value;
}

static void read_arguments(int count, char *arguments[], struct instance *instance) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--runtime") == 0) instance->runtime = runtime_find(value);
        else if (strcmp(arguments[i], "--uid") == 0) instance->uid = (uid_t)read_number(value, UID_MIN, UID_MAX);
        else if (strcmp(arguments[i], "--max-frame") == 0) {
            instance->max_frame_bytes = read_number(value, FRAME_LIMIT_MIN, FRAME_LIMIT_MAX);
        } else die(EXIT_MALFORMED, "%s is not known; %s", arguments[i], USAGE);
    }
    if (instance->runtime == NULL || instance->uid == 0 || instance->max_frame_bytes == 0 || count % 2 == 0) {
        die(EXIT_MALFORMED, "%s", USAGE);
    }
}

static void occupy_given_descriptors(void) {
    int descriptor;
    do descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (descriptor >= 0 && descriptor < LAST_GIVEN_DESCRIPTOR);
    if (descriptor < 0) die(EXIT_UNCLEAN, "cannot open /dev/null: %s", strerror(errno));
}

static int open_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    int descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        die(EXIT_UNCLEAN, "cannot wait for signals: %s", strerror(errno));
    }
    return descriptor;
}

/** Takes in every child that has ended, the orphans of the function's among them. */
static void reap(struct instance *instance, int signals) {
    struct signalfd_siginfo ignored;
    while (read(signals, &ignored, sizeof ignored) > 0) continue;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) instance_reaped(instance, pid, status);
}

static void wait_for_something(struct poll_set *set, unsigned slots, int timeout_ms) {
    if (poll(set->slots, slots, timeout_ms) >= 0) return;
    if (errno != EINTR) die(EXIT_UNCLEAN, "cannot wait: %s", strerror(errno));
    for (unsigned i = 0; i < SLOTS; i++) set->slots[i].revents = 0;
}

static void introduce(const struct instance *instance) {
    char meta[64];
    int length = snprintf(meta, sizeof meta, "{\"agent\":1,\"runtime\":\"%s\"}", instance->runtime->name);
    server_send(&(struct frame){.type = FRAME_READY, .meta = meta, .meta_bytes = (size_t)length});
    (void)server_flush();
}

int main(int count, char *arguments[]) {
    static struct instance instance;
    static struct poll_set set;
    for (unsigned i = 0; i < SLOTS; i++) poll_watch(&set, i, -1, 0);
    if (getpid() != 1) die(EXIT_MALFORMED, "must be PID 1 of a container; %s", USAGE);
    read_arguments(count, arguments, &instance);
    occupy_given_descriptors();
    process_prepare(instance.uid);
    int signals = open_signals();
    server_connect(SERVER_SOCKET, instance.max_frame_bytes);
    instance_prepare(&instance);
    introduce(&instance);
    for (bool room_was_made = false;;) {
        server_watch(&set);
        poll_watch(&set, SLOT_SIGNALS, signals, POLLIN);
        zygote_watch(&set);
        unsigned slots = instance_watch(&instance, &set);
        wait_for_something(&set, slots, room_was_made ? 0 : instance_timeout_ms(&instance));
        if (poll_readable(&set, SLOT_SIGNALS)) reap(&instance, signals);
        struct zygote_news news;
        while (poll_readable(&set, SLOT_ZYGOTE) && zygote_hear(&news)) instance_zygote_news(&instance, &news);
        server_receive(&set);
        commands_carry_out(&instance);
        instance_turn(&instance, &set);
        room_was_made = server_flush();
    }
}
