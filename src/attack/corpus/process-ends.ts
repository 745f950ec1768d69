/**
 * How a function's process may end, or refuse to: by itself, by a signal, without its outputs, or not at all.
 */
import { type Attack, type AttackCase, js, once, python } from '../case.ts';
import { ATTEMPT, bootstrap, NODE_ATTEMPT, noMethod, onBothPythons, shell } from '../programs.ts';

const exited = (detail: RegExp): Pick<Attack, 'calls'> => ({
  calls: once({ code: 'sandbox_exited', detail }),
});

const STOPPED = {
  spec: { timeoutMs: 300 },
  calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
} as const satisfies Partial<Attack>;

export const PROCESS_ENDS: readonly AttackCase[] = [
  {
    id: 72,
    group: 'processes',
    name: 'an exit with code 0 instead of an answer',
    harmless: true,
    attacks: {
      isolate: noMethod('process.exit'),
      nodejs24: { code: js('process.exit(0);'), ...exited(/exit code 0/) },
      ...onBothPythons('os._exit(0)', exited(/exit code 0/)),
    },
  },
  {
    id: 342,
    group: 'processes',
    name: 'an exit by another way',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js('setImmediate(() => process.exit(3)); return new Promise(() => {});'),
        ...exited(/exit code 3/),
      },
      ...onBothPythons('sys.exit(0)', exited(/exit code 0/)),
    },
  },
  {
    id: 73,
    group: 'processes',
    name: 'a process that stops itself',
    harmless: true,
    attacks: {
      nodejs24: { code: js('process.kill(process.pid, "SIGSTOP"); return 1;'), ...STOPPED },
      provided: { code: shell('  kill -STOP $$'), ...STOPPED },
      python3: { code: python('os.kill(os.getpid(), 19)'), ...STOPPED },
    },
  },
  {
    id: 343,
    group: 'processes',
    name: 'a whole group of processes that stops itself',
    harmless: true,
    attacks: onBothPythons(
      'for _ in range(5):\n  if os.fork() == 0: time.sleep(600)\nos.killpg(0, 19)',
      STOPPED,
    ),
  },
  {
    id: 74,
    group: 'processes',
    name: 'signals to the agent and to the parent',
    harmless: true,
    attacks: {
      isolate: noMethod('process.kill'),
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} const signals = ['SIGKILL', 'SIGSTOP', 'SIGTERM', 'SIGUSR1']; return [...new Set(signals.flatMap((name) => [1, process.ppid].map((pid) => attempt(() => process.kill(pid, name)))))];`,
        ),
        calls: once({ code: 'succeeded', result: ['EPERM'] }),
      },
      ...onBothPythons(
        `${ATTEMPT}
return sorted({attempt(lambda: os.kill(pid, number)) for pid in (1, os.getppid()) for number in (9, 19, 15, 10, 11)})`,
        { calls: once({ code: 'succeeded', result: ['EPERM'] }) },
      ),
    },
  },
  {
    id: 344,
    group: 'processes',
    name: 'a signal to everybody, and then to itself',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js('try { process.kill(-1, "SIGKILL"); } catch {} process.kill(process.pid, "SIGKILL");'),
        ...exited(/signal 9/),
      },
      ...onBothPythons(
        'try: os.kill(-1, 9)\nexcept OSError: pass\nos.kill(os.getpid(), 9)',
        exited(/signal 9/),
      ),
    },
  },
  {
    id: 345,
    group: 'processes',
    name: "signals to every number that a process of another's could have",
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
own = {os.getpid(), *map(int, os.listdir("/proc/self/task"))}
return sorted({attempt(lambda: os.kill(pid, 0)) for pid in range(2, 40000) if pid not in own} - {"EPERM"})`,
      { calls: once({ code: 'succeeded', result: ['ESRCH'] }) },
    ),
  },
  {
    id: 346,
    group: 'processes',
    name: 'a process that heeds no signal and computes on',
    attacks: onBothPythons(
      `import signal
for number in range(1, 65):
  try: signal.signal(number, signal.SIG_IGN)
  except (OSError, ValueError): pass
while True: pass`,
      { spec: { timeoutMs: 300, cpuMs: 20_000 }, calls: STOPPED.calls },
    ),
  },
  {
    id: 76,
    group: 'processes',
    name: 'a process that closes its channel',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js('require("node:fs").closeSync(3); return new Promise((r) => setTimeout(r, 600000));'),
        ...exited(/channel/),
      },
      python3: { code: python('os.close(3)\ntime.sleep(600)'), ...STOPPED },
      provided: { code: bootstrap('api.close()\ntime.sleep(600)'), ...STOPPED },
    },
  },
  {
    id: 347,
    group: 'processes',
    name: 'a process that closes every descriptor',
    harmless: true,
    attacks: onBothPythons('os.closerange(0, 1024)\ntime.sleep(600)', STOPPED),
  },
  {
    id: 348,
    group: 'processes',
    name: 'a process that closes its outputs and is heard all the same',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js(
          'const fs = require("node:fs"); for (const fd of [1, 2]) try { fs.closeSync(fd); } catch {} console.log("heard"); return 1;',
        ),
        calls: [
          { expect: { code: 'succeeded', result: 1, logs: ['heard'] } },
          { expect: { code: 'succeeded', result: 1, logs: ['heard'] } },
        ],
      },
      python3: {
        code: python(
          'for fd in (1, 2):\n  try: os.close(fd)\n  except OSError: pass\nprint("heard")\nreturn 1',
        ),
        calls: [
          { expect: { code: 'succeeded', result: 1, logs: ['heard'] } },
          { expect: { code: 'succeeded', result: 1, logs: ['heard'] } },
        ],
      },
    },
  },
  {
    id: 77,
    group: 'processes',
    name: 'a crash that would write a core file',
    harmless: true,
    attacks: {
      isolate: noMethod('process.abort'),
      nodejs24: { code: js('process.abort();'), ...exited(/signal 6/) },
      ...onBothPythons(
        `import resource
if event.get("crash"):
  os.chdir("/tmp")
  os.abort()
child = os.fork()
if child == 0:
  os.chdir("/tmp")
  os.kill(os.getpid(), 11)
_, status = os.waitpid(child, 0)
def lower(): resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try: lower()
except (OSError, ValueError): pass
return [os.WTERMSIG(status), os.WCOREDUMP(status), sorted(os.listdir("/tmp")), *resource.getrlimit(resource.RLIMIT_CORE)]`,
        {
          calls: [
            { event: { crash: true }, expect: { code: 'sandbox_exited', detail: /signal 6/ } },
            { expect: { code: 'succeeded', result: [11, false, [], 1, 1] } },
          ],
        },
      ),
    },
  },
  {
    id: 349,
    group: 'processes',
    name: 'an alarm that ends the process behind its own back',
    harmless: true,
    attacks: onBothPythons(
      'import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.02)\ntime.sleep(600)',
      exited(/signal 14/),
    ),
  },
];
