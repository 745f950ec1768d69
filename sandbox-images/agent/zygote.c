/**
 * The conversation with the zygote over a socket that keeps messages apart: `F<uid>` with three descriptors asks for
 * a child, `P<pid>` answers, `E<pid> <wait status>` follows when the child has ended.
 *
 * Owns the zygote's process and socket. A zygote that says something else takes the container with it, and so does one
 * that ends (its caller sees to that): who knows what it has half forked.
 */
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basics.h"
#include "process.h"

enum { MESSAGE_BYTES = 64, PASSED_DESCRIPTORS = 3 };

static struct {
    pid_t pid;
    int socket;
} zygote = {.pid = 0, .socket = -1};

int zygote_ensure(char *const *arguments, char *const *environment) {
    if (zygote.pid != 0) return 0;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno;
    const struct spawn spawn = {
        .path = arguments[0],
        .arguments = arguments,
        .environment = environment,
        .folder = "/",
        .out = STDOUT_FILENO,
        .err = STDERR_FILENO,
        .channel = ends[1],
        .uid = 0,
    };
    int error = process_spawn(&spawn, &zygote.pid);
    close(ends[1]);
    if (error != 0) close(ends[0]);
    else zygote.socket = ends[0];
    return error;
}


void zygote_end(void) {
    if (zygote.pid == 0) return;
    (void)kill(zygote.pid, SIGKILL);
    close(zygote.socket);
    zygote.pid = 0;
    zygote.socket = -1;
}

void zygote_watch(struct poll_set *set) {
    poll_watch(set, SLOT_ZYGOTE, zygote.socket, zygote.pid == 0 ? 0 : POLLIN);
}

void zygote_fork(uid_t uid, int channel, int out, int err) {
    const int descriptors[PASSED_DESCRIPTORS] = {channel, out, err};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof descriptors)];
    } control = {.bytes = {0}};
    char text[MESSAGE_BYTES];
    int length = snprintf(text, sizeof text, "F%u", uid);
    struct iovec part = {.iov_base = text, .iov_len = (size_t)length};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptors);
    memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
    if (sendmsg(zygote.socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != length) {
        die(EXIT_UNCLEAN, "the zygote takes no order: %s", strerror(errno));
    }
}

bool zygote_hear(struct zygote_news *news) {
    if (zygote.pid == 0) return false;
    char text[MESSAGE_BYTES];
    ssize_t count = recv(zygote.socket, text, sizeof text - 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    *news = (struct zygote_news){.what = ZYGOTE_ENDED};
    if (count <= 0) return true;
    text[count] = '\0';
    if (sscanf(text, "P%d", &news->pid) == 1) news->what = ZYGOTE_FORKED;
    else if (sscanf(text, "E%d %d", &news->pid, &news->status) == 2) news->what = ZYGOTE_CHILD_ENDED;
    else die(EXIT_UNCLEAN, "the zygote said something unknown");
    if (news->pid <= 1) die(EXIT_UNCLEAN, "the zygote named an impossible process");
    return true;
}
