"""Plays the agent for the zygote of the Python shim: has one child forked, for this process's own descriptors.

Arguments: the zygote's file. Descriptor 3, standard output and standard error go to the child; this process ends
as the child does.
"""

import array
import os
import socket
import subprocess
import sys

UID = 20007 if os.geteuid() == 0 else os.geteuid()

ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
KEPT = 10
os.dup2(3, KEPT, inheritable=False)
os.dup2(theirs.fileno(), 3)
command = ["/usr/bin/python3", "-I", "-X", "utf8", sys.argv[1]]
zygote = subprocess.Popen(command, pass_fds=[3], stdin=subprocess.DEVNULL)
os.close(3)
theirs.close()
fds = array.array("i", [KEPT, 1, 2])
ours.sendmsg([b"F%d" % UID], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
os.close(KEPT)
pid = ours.recv(64)
if not pid.startswith(b"P"):
    sys.exit(f"the zygote said {pid!r}")
ended = ours.recv(64)
if not ended:
    sys.exit("the zygote is gone")
kind, status = ended.split()
if kind != b"E" + pid[1:]:
    sys.exit(f"the zygote said {ended!r} of {pid!r}")
# The zygote ends with its agent.
ours.close()
zygote.wait()
code = os.waitstatus_to_exitcode(int(status))
os._exit(code if code >= 0 else 128 - code)
