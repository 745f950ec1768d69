/**
 * Processes: how they are started, and how everything of the function's is killed.
 *
 * Owns every change of identity. Invariants: a process of the function's holds no capability, no descriptor but those
 * it was given and no signal state of the agent's; the agent is never dumpable, whatever identity it comes back from.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"

enum { CHANNEL_DESCRIPTOR = 3, FILE_MODE_MASK = 022 };

/** What the child tells its parent over a pipe when it does not get as far as its program. */
struct stumble {
    bool confined;
    int error;
};

static void stay_undumpable(void) {
    // A change of identity sets the flag back to what the system is configured to.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) die(EXIT_UNCLEAN, "cannot stay undumpable: %s", strerror(errno));
}

void process_prepare(uid_t uid) {
    stay_undumpable();
    umask(FILE_MODE_MASK);
    if (setgroups(0, NULL) != 0) die(EXIT_UNCLEAN, "cannot drop groups: %s", strerror(errno));
    process_kill_all(uid);
    process_act_as(uid);
    process_act_as_root();
}

static bool write_oom_score(void) {
    char text[16];
    int length = snprintf(text, sizeof text, "%d", FUNCTION_OOM_SCORE_ADJ);
    int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    bool written = write(descriptor, text, (size_t)length) == length;
    close(descriptor);
    return written;
}

static bool reset_signals(void) {
    for (int number = 1; number < NSIG; number++) (void)signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/** In the child: descriptors 0 to 3 as asked for, everything else closed when the program is executed. */
static bool arrange_descriptors(const struct spawn *spawn) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) return false;
    if (dup2(spawn->out, STDOUT_FILENO) < 0 || dup2(spawn->err, STDERR_FILENO) < 0) return false;
    if (spawn->channel >= 0 && dup2(spawn->channel, CHANNEL_DESCRIPTOR) < 0) return false;
    unsigned first = CHANNEL_DESCRIPTOR + (spawn->channel >= 0 ? 1 : 0);
    return close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static bool confine(const struct spawn *spawn) {
    // A core pattern that is a pipe heeds no limit but this one, which is too small for a file.
    const struct rlimit no_core = {1, 1};
    if (setsid() < 0 || !reset_signals() || !arrange_descriptors(spawn)) return false;
    // Refused where the container has this limit already: its filter lets nobody change it.
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    umask(FILE_MODE_MASK);
    if (spawn->uid == 0) return true;
    if (!write_oom_score() || setgroups(0, NULL) != 0) return false;
    return setresgid(spawn->uid, spawn->uid, spawn->uid) == 0 && setresuid(spawn->uid, spawn->uid, spawn->uid) == 0;
}

static _Noreturn void run_child(const struct spawn *spawn, int report) {
    struct stumble stumble = {.confined = confine(spawn), .error = 0};
    if (stumble.confined && chdir(spawn->folder) == 0) {
        (void)execve(spawn->path, spawn->arguments, spawn->environment);
    }
    stumble.error = errno;
    (void)!write(report, &stumble, sizeof stumble);
    _exit(EXIT_FAILURE);
}

int process_spawn(const struct spawn *spawn, pid_t *pid) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return errno;
    *pid = fork();
    if (*pid == 0) run_child(spawn, report[1]);
    int fork_error = errno;
    close(report[1]);
    struct stumble stumble = {.confined = true, .error = 0};
    if (*pid < 0) {
        *pid = 0;
        stumble.error = fork_error;
    } else {
        // Ends when the program is executed, or with the child; the child runs only the lines above until then.
        ssize_t count;
        do count = read(report[0], &stumble, sizeof stumble);
        while (count < 0 && errno == EINTR);
    }
    close(report[0]);
    if (!stumble.confined) die(EXIT_UNCLEAN, "a process could not be confined: %s", strerror(stumble.error));
    // A child that did not get to its program is reaped like any other; it is nobody's main process.
    if (stumble.error != 0) *pid = 0;
    return stumble.error;
}

void process_kill_all(uid_t uid) {
    // Real and effective uid are both the function's, so that the kernel lets the signal reach nothing of root's (the
    // zygote); the saved one stays 0, so that the way back is open. PID 1 itself is never hit.
    if (setresuid(uid, uid, 0) != 0) die(EXIT_UNCLEAN, "cannot become uid %u: %s", uid, strerror(errno));
    (void)kill(-1, SIGKILL);
    if (setresuid(0, 0, 0) != 0) die(EXIT_UNCLEAN, "cannot become root again: %s", strerror(errno));
    stay_undumpable();
}

void process_act_as(uid_t uid) {
    if (setresgid((gid_t)-1, uid, (gid_t)-1) != 0 || setresuid((uid_t)-1, uid, (uid_t)-1) != 0) {
        die(EXIT_UNCLEAN, "cannot act as uid %u: %s", uid, strerror(errno));
    }
    stay_undumpable();
}

void process_act_as_root(void) {
    if (setresuid((uid_t)-1, 0, (uid_t)-1) != 0 || setresgid((gid_t)-1, 0, (gid_t)-1) != 0) {
        die(EXIT_UNCLEAN, "cannot act as root again: %s", strerror(errno));
    }
    stay_undumpable();
}
