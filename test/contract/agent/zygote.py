"""A zygote for tests of the agent: forks puppets."""

import os
import socket
import sys

sys.path.insert(0, "/opt/strata")
import puppet  # noqa: E402

import select
import signal

orders = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=3)
waker, wakes = os.pipe()
os.set_blocking(waker, False)
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
signal.signal(signal.SIGCHLD, lambda *_: None)


def become(uid, descriptors):
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    for place, descriptor in zip((13, 11, 12), descriptors):
        os.dup2(descriptor, place)
    for place in (3, 1, 2):
        os.dup2(place + 10, place)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.closerange(4, 1024)
    puppet.main()


while True:
    ready, _, _ = select.select([orders, waker], [], [])
    if waker in ready:
        os.read(waker, 1024)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            orders.send(f"E{pid} {status}".encode())
    if orders in ready:
        message, descriptors, _, _ = socket.recv_fds(orders, 64, 3)
        if not message:
            os._exit(0)
        uid = int(message[1:])
        pid = os.fork()
        if pid == 0:
            try:
                become(uid, descriptors)
            finally:
                os._exit(70)
        for descriptor in descriptors:
            os.close(descriptor)
        orders.send(f"P{pid}".encode())
