"""The process that every Python function is forked from, so that none of them waits for an interpreter.

Owns the forks and their way down to an ordinary user. Never runs a function's code and never reads what a
child writes: it speaks with the agent alone, over descriptor 3, a SOCK_SEQPACKET socket. Invariants: whoever
gets past `become` is not root and holds nothing of the zygote's; an idle zygote sleeps in one call.

From the agent: `F<uid>` with three descriptors (connection, standard output, standard error). To the agent:
`P<pid>` for each of them, and `E<pid> <wait status>` when a child has ended.
"""

import array
import gc
import os
import selectors
import signal
import socket
import sys

INTERPRETER_MODULES = frozenset(sys.modules)
"""What Python itself loads: a file of the function's with such a name is not looked for, as ever."""

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import preload  # noqa: E402, F401
import shim  # noqa: E402

AGENT_FD = 3
CHILD_OOM_SCORE = "500"
INT_BYTES = array.array("i").itemsize


def main():
    agent = socket.socket(fileno=AGENT_FD)
    agent.setblocking(True)
    os.set_inheritable(AGENT_FD, False)
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    os.set_blocking(wake_reader, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    shim.warm_up()
    # Whatever is here now stays for good: the collector of a child is not to touch, and so copy, its pages.
    gc.collect()
    gc.freeze()
    with selectors.DefaultSelector() as selector:
        selector.register(agent, selectors.EVENT_READ)
        selector.register(wake_reader, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == AGENT_FD:
                    take_order(agent)
                else:
                    drain(wake_reader)
                    reap(agent)


def take_order(agent):
    message, ancillary, _, _ = agent.recvmsg(64, socket.CMSG_LEN(3 * INT_BYTES))
    if not message:
        os._exit(0)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % INT_BYTES])
    if message[:1] != b"F" or len(descriptors) != 3:
        sys.exit(f"the agent sent {message!r} with {len(descriptors)} descriptors")
    uid = int(message[1:])
    pid = os.fork()
    if pid == 0:
        run_child(uid, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    agent.send(b"P%d" % pid)


def reap(agent):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        agent.send(b"E%d %d" % (pid, status))


def drain(descriptor):
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass


def run_child(uid, descriptors):
    """Never returns."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        become(uid)
        wire(*descriptors)
        shim.run(INTERPRETER_MODULES)
    except BaseException as error:  # noqa: BLE001
        # The zygote's own loop lies below on this stack: nothing may get there.
        os.write(2, f"the shim failed with {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def become(uid):
    """Gives up everything that the function is not to have. Raises rather than leave any of it."""
    os.setsid()
    # While it is still root: a process that changed its user may not write here.
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(CHILD_OOM_SCORE)
    if os.geteuid() == 0:
        if uid < 1:
            raise PermissionError(f"a function cannot run as user {uid}")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid):
        raise PermissionError(f"the function would run as {os.getresuid()}, not as {uid}")


def wire(connection, out, err):
    """0 is nothing, 1 and 2 are pipes, 3 is the connection; all else is closed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    # Out of the way first: one of them may have the number that another is to get.
    held = [os.dup(descriptor) for descriptor in (nothing, out, err, connection)]
    high = max(held) + 1
    held = [os.dup2(descriptor, high + index) for index, descriptor in enumerate(held)]
    for number, descriptor in enumerate(held):
        os.dup2(descriptor, number, inheritable=number < 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main()
