/**
 * Attacks by processes: more of them than there should be, their ends, and what they leave. Isolates have none, which is
 * what is shown of them.
 */
import { type Attack, type AttackCase, js, once, python } from '../case.ts';
import { ATTEMPT, NODE_ATTEMPT, onBothPythons, shell } from '../programs.ts';
import { PROCESS_ENDS } from './process-ends.ts';

/** There is nothing of the kind to ask for. */
const noModule = (name: string): Attack => ({
  code: js(`return require('${name}');`),
  calls: once({
    code: 'function_error',
    error: { type: 'Error', message: new RegExp(`^Cannot find module '${name}'`) },
  }),
});

const BY_WALL = {
  spec: { timeoutMs: 300, cpuMs: 20_000, memoryMb: 512 },
  calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
} as const satisfies Partial<Attack>;

/** Processes of the same user, this one left out. */
const OTHERS = `
def others():
  found = []
  for pid in os.listdir("/proc"):
    try:
      if pid.isdigit() and int(pid) != os.getpid() and os.stat("/proc/" + pid).st_uid == os.getuid(): found.append(pid)
    except FileNotFoundError: pass
  return len(found)
`;

const DAEMON = `
def daemon(work):
  ready, told = os.pipe()
  if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
      os.write(told, b"x")
      while True: work()
    os._exit(0)
  os.wait()
  os.read(ready, 1)
`;

const SPAWNING = `${OTHERS}${DAEMON}
seen = others()
if event.get("spawn"): daemon(lambda: time.sleep(1))
if event.get("exit"): os._exit(1)
return seen`;

const BOMBS: readonly AttackCase[] = [
  {
    id: 67,
    group: 'processes',
    name: 'a fork bomb, which pays for all its children',
    attacks: {
      isolate: noModule('child_process'),
      ...onBothPythons('while True:\n  try: os.fork()\n  except OSError: pass', {
        spec: { timeoutMs: 8_000, cpuMs: 150, memoryMb: 512 },
        calls: once({ code: 'cpu_limit', limit: 'cpuMs', minCpuMs: 150 }),
      }),
    },
  },
  {
    id: 330,
    group: 'processes',
    name: 'a fork bomb of which each process has a session of its own',
    attacks: onBothPythons(
      'while True:\n  try:\n    if os.fork() == 0: os.setsid()\n  except OSError: pass',
      BY_WALL,
    ),
  },
  {
    id: 331,
    group: 'processes',
    name: 'a fork bomb in shell',
    attacks: { provided: { code: shell('  bomb() { bomb | bomb & }; bomb; sleep 600'), ...BY_WALL } },
  },
  {
    id: 68,
    group: 'processes',
    name: 'children that nobody waits for, until no more may be',
    attacks: onBothPythons(
      `${OTHERS}
made = 0
try:
  while event.get("fill"):
    pid = os.fork()
    if pid == 0: os._exit(0)
    made += 1
except OSError as failed:
  return [errno.errorcode[failed.errno], 20 < made < 64, others() == made]
return "served"`,
      {
        calls: [
          { event: { fill: true }, expect: { code: 'succeeded', result: ['EAGAIN', true, true] } },
          { expect: { code: 'succeeded', result: 'served' } },
        ],
      },
    ),
  },
  {
    id: 332,
    group: 'processes',
    name: 'orphans, which the agent has to bury',
    attacks: onBothPythons(
      `${OTHERS}
for _ in range(40):
  child = os.fork()
  if child == 0:
    if os.fork() == 0: os._exit(0)
    os._exit(0)
  os.waitpid(child, 0)
end = time.monotonic() + 2
while others() > 0 and time.monotonic() < end: time.sleep(0.005)
return others()`,
      { calls: once({ code: 'succeeded', result: 0 }) },
    ),
  },
  {
    id: 333,
    group: 'processes',
    name: 'threads without end',
    attacks: onBothPythons(
      `import threading
made = []
gate = threading.Event()
try:
  while True:
    made.append(threading.Thread(target=gate.wait, daemon=True))
    made[-1].start()
except RuntimeError as failed:
  gate.set()
  return [str(failed), 20 < len(made) < 64]`,
      { calls: once({ code: 'succeeded', result: ["can't start new thread", true] }) },
    ),
  },
];

const EXHAUSTION: readonly AttackCase[] = [
  {
    id: 69,
    group: 'processes',
    name: 'descriptors until no more may be open',
    attacks: {
      isolate: noModule('fs'),
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} const held = []; if (event.fill) { const end = attempt(() => { for (;;) held.push(fs.openSync('/dev/null')); }); return [end, held.length > 900 && held.length < 1024]; } return 'served';`,
        ),
        calls: [
          { event: { fill: true }, expect: { code: 'succeeded', result: ['EMFILE', true] } },
          { expect: { code: 'succeeded', result: 'served' } },
        ],
      },
      ...onBothPythons(
        `${ATTEMPT}
held = []
def fill():
  while True: held.append(os.open("/dev/null", os.O_RDONLY))
if event.get("fill"): return [attempt(fill), 900 < len(held) < 1024]
return "served"`,
        {
          calls: [
            { event: { fill: true }, expect: { code: 'succeeded', result: ['EMFILE', true] } },
            { expect: { code: 'succeeded', result: 'served' } },
          ],
        },
      ),
    },
  },
  {
    id: 70,
    group: 'processes',
    name: 'a temporary folder that is filled beyond the memory',
    attacks: {
      nodejs24: {
        code: js(
          `const fs = require('node:fs'); const file = fs.openSync('/tmp/full', 'w'); const bytes = Buffer.alloc(1000000, 'x'); for (;;) fs.writeSync(file, bytes);`,
        ),
        calls: once({ code: 'memory_limit', limit: 'memoryMb' }),
      },
      ...onBothPythons(
        'with open("/tmp/full", "wb", buffering=0) as full:\n  while True: full.write(b"x" * 1000000)',
        { calls: once({ code: 'memory_limit', limit: 'memoryMb' }) },
      ),
    },
  },
  {
    id: 334,
    group: 'processes',
    name: 'a temporary folder that is filled to its size',
    attacks: onBothPythons(
      `${ATTEMPT}
def fill():
  with open("/tmp/full", "wb", buffering=0) as full:
    while True: full.write(b"x" * 1048576)
before = os.listdir("/tmp")
answer = [before, attempt(fill), os.path.getsize("/tmp/full") // 1048576]
os.unlink("/tmp/full")
return answer`,
      {
        spec: { memoryMb: 160 },
        calls: [
          { expect: { code: 'succeeded', result: [[], 'ENOSPC', 64] } },
          { expect: { code: 'succeeded', result: [[], 'ENOSPC', 64] } },
        ],
      },
    ),
  },
  {
    id: 71,
    group: 'processes',
    name: 'as many files as the temporary folder holds, and then their removal by force',
    attacks: onBothPythons(
      `${ATTEMPT}
def fill():
  for count in range(1000000): os.close(os.open("/tmp/" + str(count), os.O_CREAT))
before = os.listdir("/tmp")
answer = [before, attempt(fill), 4000 < len(os.listdir("/tmp")) < 4100]
if event.get("exit"): os._exit(1)
return answer`,
      {
        calls: [
          {
            event: { exit: true },
            expect: { code: 'sandbox_exited', detail: /exit code 1/ },
          },
          { expect: { code: 'succeeded', result: [[], 'ENOSPC', true] } },
        ],
      },
    ),
  },
  {
    id: 335,
    group: 'processes',
    name: 'a child that takes all the memory',
    attacks: onBothPythons(
      `child = os.fork()
if child == 0:
  kept = []
  while True: kept.append(bytearray(b"x" * 1000000))
_, status = os.waitpid(child, 0)
return os.WTERMSIG(status)`,
      { calls: once({ code: 'succeeded', result: 9 }) },
    ),
  },
  {
    id: 336,
    group: 'processes',
    name: 'memory that belongs to no process, but to a file without a name',
    attacks: onBothPythons(
      `kept = os.memfd_create("kept")
while True: os.write(kept, b"x" * 1000000)`,
      { calls: once({ code: 'memory_limit', limit: 'memoryMb' }) },
    ),
  },
  {
    id: 337,
    group: 'processes',
    name: "a place before others at the processor, and limits beyond the container's",
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
import resource
def limit(kind): return resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
def tried(what):
  try: return attempt(what)
  except ValueError: return "EPERM"
return [
  refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)),
  attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
  attempt(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))),
  tried(lambda: limit(resource.RLIMIT_NOFILE)), tried(lambda: limit(resource.RLIMIT_FSIZE)), tried(lambda: limit(resource.RLIMIT_CORE)),
]`,
      {
        calls: once({
          code: 'succeeded',
          result: ['refused', 'EPERM', 'EPERM', 'EPERM', 'EPERM', 'EPERM'],
        }),
      },
    ),
  },
  {
    id: 338,
    group: 'processes',
    name: 'bytes that wait unread in its own sockets',
    attacks: {
      python3: {
        code: python(`import socket
def drained(receiver):
  count = 0
  try:
    while True: count += len(receiver.recv(65536))
  except BlockingIOError: return count
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receivers = []
for _ in range(200):
  receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  receiver.setblocking(False)
  receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
  receiver.bind(("127.0.0.1", 0))
  receivers.append(receiver)
  for _ in range(20): sender.sendto(bytes(30000), receiver.getsockname())
return sum(map(drained, receivers)) < 20 * 1024 * 1024`),
        // Whether the kernel counts them as the container's memory is its own.
        calls: once({ code: ['succeeded', 'memory_limit'], result: true }),
      },
    },
  },
];

const LEFTOVERS: readonly AttackCase[] = [
  {
    id: 75,
    group: 'processes',
    name: 'a daemon behind the answer, which the next invocation of an ephemeral function must not meet',
    attacks: {
      ...onBothPythons(SPAWNING, {
        models: ['ephemeral'],
        calls: [
          { event: { spawn: true }, expect: { code: 'succeeded', result: 0 } },
          { expect: { code: 'succeeded', result: 0 } },
          { event: { spawn: true, exit: true }, expect: { code: 'sandbox_exited', detail: /exit code 1/ } },
          { expect: { code: 'succeeded', result: 0 } },
        ],
      }),
    },
  },
  {
    id: 339,
    group: 'processes',
    name: 'a daemon of a resident function, which ends with its process',
    attacks: onBothPythons(SPAWNING, {
      models: ['resident'],
      calls: [
        { event: { spawn: true }, expect: { code: 'succeeded', result: 0 } },
        { expect: { code: 'succeeded', result: 1 } },
        { event: { exit: true }, expect: { code: 'sandbox_exited', detail: /exit code 1/ } },
        { expect: { code: 'succeeded', result: 0 } },
      ],
    }),
  },
  {
    id: 340,
    group: 'processes',
    name: 'a daemon that computes on, at the cost of the next invocation',
    attacks: onBothPythons(
      `${DAEMON}
if event.get("spawn"): daemon(lambda: None)
else: time.sleep(3)
return "slept"`,
      {
        models: ['resident'],
        spec: { cpuMs: 150, timeoutMs: 8_000 },
        calls: [
          { event: { spawn: true }, expect: { code: 'succeeded', result: 'slept' } },
          { expect: { code: 'cpu_limit', limit: 'cpuMs', minCpuMs: 150 } },
        ],
      },
    ),
  },
  {
    id: 341,
    group: 'processes',
    name: 'a child that holds the outputs when its parent ends',
    attacks: onBothPythons(
      `if os.fork() == 0:
  os.setsid()
  while True: time.sleep(1)
os._exit(7)`,
      {
        spec: { timeoutMs: 4_000 },
        calls: once({ code: 'sandbox_exited', detail: /exit code 7/ }),
      },
    ),
  },
];

export const PROCESS_CASES: readonly AttackCase[] = [...BOMBS, ...EXHAUSTION, ...LEFTOVERS, ...PROCESS_ENDS];
