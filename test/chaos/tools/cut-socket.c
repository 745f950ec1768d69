/**
 * Cuts a socket of another process, both ways at once: cut-socket PID DESCRIPTOR.
 *
 * Both ends see the end of the connection after whatever bytes had got through, also in the middle of a message. Needs
 * the rights to trace that process, and Linux 5.6.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char *arguments[]) {
    if (count != 3) return 2;
    int process = (int)syscall(SYS_pidfd_open, atoi(arguments[1]), 0);
    int descriptor = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, atoi(arguments[2]), 0);
    if (descriptor < 0 || shutdown(descriptor, SHUT_RDWR) != 0) {
        perror("cut-socket");
        return 1;
    }
    return 0;
}
