/**
 * Attacks by processes: more of them than there should be, their ends, and what they leave. Isolates have none, which is
 * what is shown of them.
 */
import type { Attack, AttackCase } from '../case.ts';
import { once } from '../case.ts';
import { noModule, onBothPythons, onPython, shell } from '../programs.ts';
import { EXHAUSTION } from './exhaustion.ts';
import { PROCESS_ENDS } from './process-ends.ts';

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
    attacks: onPython(
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
    attacks: onPython(
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
    attacks: onPython(
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
    attacks: onPython(SPAWNING, {
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
