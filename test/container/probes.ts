/**
 * What hostile functions try from the inside, as source: each answers with what came of it.
 */

/** Tries system calls by their numbers on x86-64 or arm64; answers with the name of the error, or `allowed`. */
export const PYTHON_SYSTEM_CALLS = `
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
CALLS = {
  "ptrace": (101, 117, [16, os.getppid(), 0, 0]),
  "process_vm_readv": (310, 270, [os.getpid(), 0, 0, 0, 0, 0]),
  "process_vm_writev": (311, 271, [os.getpid(), 0, 0, 0, 0, 0]),
  "shmget": (29, 194, [0, 4096, 0o1600]),
  "semget": (64, 190, [0, 1, 0o1600]),
  "msgget": (68, 186, [0, 0o1600]),
  "mq_open": (240, 180, [b"/left", 0o102, 0o600, 0]),
  "unshare": (272, 97, [0x10000000]),
  "setns": (308, 268, [0, 0]),
  "mount": (165, 40, [b"none", b"/tmp", b"tmpfs", 0, 0]),
  "umount2": (166, 39, [b"/tmp", 0]),
  "pivot_root": (155, 41, [b"/tmp", b"/tmp"]),
  "chroot": (161, 51, [b"/tmp"]),
  "keyctl": (250, 219, [0, 0, 0, 0, 0]),
  "add_key": (248, 217, [b"user", b"left", b"x", 1, 0xfffffffd]),
  "io_uring_setup": (425, 425, [1, ctypes.create_string_buffer(120)]),
  "bpf": (321, 280, [0, 0, 0]),
  "perf_event_open": (298, 241, [0, 0, -1, -1, 0]),
  "userfaultfd": (323, 282, [0]),
  "clock_settime": (227, 112, [0, ctypes.create_string_buffer(16)]),
  "mknodat": (259, 33, [-100, b"/tmp/device", 0o020600, 0x103]),
  "name_to_handle_at": (303, 264, [-100, b"/tmp", 0, 0, 0]),
  "open_by_handle_at": (304, 265, [-100, 0, 0]),
  "kexec_load": (246, 104, [0, 0, 0, 0]),
  "init_module": (175, 105, [0, 0, 0]),
  "reboot": (169, 142, [0xfee1dead, 672274793, 0, 0]),
  "swapon": (167, 224, [b"/tmp/x", 0]),
  "kcmp": (312, 272, [1, 1, 0, 0, 0]),
  "pidfd_getfd": (438, 438, [0, 0, 0]),
  "process_madvise": (440, 440, [0, 0, 0, 0, 0]),
  "setuid": (105, 146, [0]),
  "setgid": (106, 144, [0]),
}
def attempt(number, args):
  ctypes.set_errno(0)
  answer = libc.syscall(number, *args)
  return "allowed" if answer >= 0 else errno.errorcode.get(ctypes.get_errno(), "unknown")
def namespaces(flags):
  # clone with a new namespace: the child, if there is one, ends at once.
  answer = libc.syscall(220 if ARM else 56, flags | 17, 0, 0, 0, 0)
  if answer == 0: os._exit(0)
  return "allowed" if answer > 0 else errno.errorcode.get(ctypes.get_errno(), "unknown")
def handler(event, context):
  found = {name: attempt(arm if ARM else x86, args) for name, (x86, arm, args) in CALLS.items()}
  for name, flag in {"user": 0x10000000, "net": 0x40000000, "pid": 0x20000000, "mount": 0x20000}.items():
    found["clone " + name] = namespaces(flag)
  return found
`;

/** Tries files, sockets and signals; answers with the name of the error of each, or \`allowed\`. */
export const PYTHON_REACH = `
import errno, os, signal, socket, subprocess
def attempt(what):
  try:
    what()
    return "allowed"
  except OSError as failed:
    return errno.errorcode.get(failed.errno, "unknown")
def write(path):
  return lambda: open(path, "w").write("0")
def read(path):
  return lambda: open(path, "rb").read(1)
def connect(family, address, kind=socket.SOCK_STREAM):
  def dial():
    with socket.socket(family, kind) as caller:
      caller.settimeout(2)
      caller.connect(address)
  return dial
def run_from_tmp():
  with open("/tmp/program", "w") as program: program.write("#!/bin/true\\n")
  os.chmod("/tmp/program", 0o755)
  os.execv("/tmp/program", ["program"])
def others():
  return [int(name) for name in os.listdir("/proc") if name.isdigit() and os.stat("/proc/" + name).st_uid == 0]
def handler(event, context):
  found = {
    "write /": attempt(write("/left")),
    "write /etc": attempt(write("/etc/passwd")),
    "write /code": attempt(write("/code/left")),
    "write own code": attempt(write(os.getcwd() + "/index.py")),
    "write /opt/strata": attempt(write("/opt/strata/agent")),
    "write /run/strata": attempt(write("/run/strata/left")),
    "write /proc/sys": attempt(write("/proc/sys/kernel/core_pattern")),
    "write sysrq": attempt(write("/proc/sysrq-trigger")),
    "write /sys": attempt(write("/sys/kernel/mm/ksm/run")),
    "write oom_score_adj": attempt(write("/proc/1/oom_score_adj")),
    "execute from /tmp": attempt(run_from_tmp),
    "connect to the agent": attempt(connect(socket.AF_UNIX, "/run/strata/agent.sock")),
    "connect to the engine": attempt(connect(socket.AF_UNIX, "/var/run/docker.sock")),
    "connect outside": attempt(connect(socket.AF_INET, ("1.1.1.1", 80))),
    "connect to metadata": attempt(connect(socket.AF_INET, ("169.254.169.254", 80))),
    "connect outside by IPv6": attempt(connect(socket.AF_INET6, ("2606:4700:4700::1111", 80))),
    "raw socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "packet socket": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "netlink socket": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)),
    "pair of another family": attempt(lambda: socket.socketpair(socket.AF_TIPC, socket.SOCK_SEQPACKET)),
    "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "crypto socket": attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET)),
  }
  for name in os.listdir("/sys/fs/cgroup") if os.path.isdir("/sys/fs/cgroup") else []:
    folder = "/sys/fs/cgroup/" + name
    if os.path.isdir(folder):
      found["write " + folder] = attempt(write(folder + "/cgroup.procs"))
      found["make a group in " + folder] = attempt(lambda: os.mkdir(folder + "/left"))
  for pid in others():
    for sent in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
      found[f"signal {int(sent)} to {pid}"] = attempt(lambda: os.kill(pid, sent))
    for name in ("mem", "environ", "maps", "stack", "syscall", "auxv"):
      found[f"read /proc/{pid}/{name}"] = attempt(read(f"/proc/{pid}/{name}"))
    for name in ("fd", "map_files", "task/%d/fd" % pid):
      found[f"list /proc/{pid}/{name}"] = attempt(lambda: os.listdir(f"/proc/{pid}/{name}"))
    for name in ("root", "cwd", "exe"):
      found[f"follow /proc/{pid}/{name}"] = attempt(lambda: os.readlink(f"/proc/{pid}/{name}"))
  return {
    "found": found,
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "shm": os.path.exists("/dev/shm"),
    "run": os.listdir("/run/strata"),
    "descriptors": {name: os.readlink("/proc/self/fd/" + name) for name in ("0", "1", "2", "3")},
    "others": len(others()),
  }
`;

/** Leaves as many bytes as it can unread in its own sockets; answers with how many stayed. */
export const PYTHON_SOCKETS = `
import socket
def drained(receiver):
  count = 0
  try:
    while True: count += len(receiver.recv(65536))
  except BlockingIOError: return count
def handler(event, context):
  sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  receivers = []
  for _ in range(200):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    receiver.bind(("127.0.0.1", 0))
    receivers.append(receiver)
    for _ in range(20): sender.sendto(bytes(30_000), receiver.getsockname())
  return sum(map(drained, receivers))
`;

/** What Node's own means show of the same walls. */
export const NODE_REACH = `
const fs = require('node:fs');
const net = require('node:net');
const { spawnSync } = require('node:child_process');
const attempt = (what) => { try { what(); return 'allowed'; } catch (error) { return error.code ?? String(error); } };
const dial = (options) => new Promise((done) => {
  const caller = net.connect(options);
  caller.on('connect', () => done('allowed')).on('error', (error) => done(error.code));
});
exports.handler = async () => ({
  found: {
    'write /': attempt(() => fs.writeFileSync('/left', '')),
    'write own code': attempt(() => fs.writeFileSync(process.cwd() + '/index.js', '')),
    'write /proc/sys': attempt(() => fs.writeFileSync('/proc/sys/kernel/hostname', 'x')),
    'read the agent': attempt(() => fs.readFileSync('/proc/1/mem')),
    'list its descriptors': attempt(() => fs.readdirSync('/proc/1/fd')),
    'kill the agent': attempt(() => process.kill(1, 'SIGKILL')),
    'stop the agent': attempt(() => process.kill(1, 'SIGSTOP')),
    'become root': attempt(() => process.setuid(0)),
    'connect outside': await dial({ host: '1.1.1.1', port: 80 }),
    'connect to the agent': await dial({ path: '/run/strata/agent.sock' }),
    'load a library from /tmp': attempt(() => {
      fs.copyFileSync(process.execPath, '/tmp/program.node');
      process.dlopen({ exports: {} }, '/tmp/program.node');
    }),
    'execute from /tmp': (() => {
      fs.writeFileSync('/tmp/program', '#!/bin/true', { mode: 0o755 });
      return spawnSync('/tmp/program').error?.code ?? 'allowed';
    })(),
  },
  uid: process.getuid(),
});
`;
