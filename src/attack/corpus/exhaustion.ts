/**
 * Attacks by processes that take all there is of something: descriptors, files, memory that is nobody's, limits.
 */
import { type AttackCase, js, once, python } from '../case.ts';
import { ATTEMPT, NODE_ATTEMPT, noModule, onBothPythons, onPython } from '../programs.ts';

export const EXHAUSTION: readonly AttackCase[] = [
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
    attacks: onPython(
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
    attacks: onPython(
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
    attacks: onPython(
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
    attacks: onPython(
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
