/**
 * Functions that answer and leave something behind: rejections, timers, threads, lines of the log, a second answer.
 */
import { type AttackCase, BY_CPU, BY_WALL, file, js, once, plainJs, python } from '../case.ts';
import { asyncPython, inEach, succeeds, throws } from '../languages.ts';
import { shell } from '../programs.ts';

/** Called first and again; each call has `event.second` or not. */
const twice = (first: unknown, second: unknown) => [
  { expect: { code: 'succeeded', result: first } as const },
  { event: { second: true }, expect: { code: 'succeeded', result: second } as const },
];

const FLOATING = plainJs('Promise.reject(new Error("floating")); return 1;');

const LOOP_BEHIND_RESULT = plainJs('Promise.resolve().then(() => { for (;;); }); return 1;');

/** Answers, and goes on; the second call waits and says how often it went on. */
const GOES_ON = file(`let ran = 0;
exports.handler = async (event) => {
  if (!event.second) {
    setInterval(() => { ran += 1; console.log('late'); }, 1);
    (async () => { for (;;) { await new Promise((resolve) => setTimeout(resolve, 1)); ran += 1; console.log('late'); } })();
    return 'left';
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  return ran;
};`);
const PY_GOES_ON = file(`import threading, time
ran = 0
def work():
  global ran
  while True:
    time.sleep(0.001)
    ran += 1
    print("late")
def handler(event, context):
  if not event.get("second"):
    threading.Thread(target=work, daemon=True).start()
    return "left"
  time.sleep(0.03)
  return ran
`);
const SECOND_FINDS_NOTHING = {
  event: { second: true },
  expect: { code: 'succeeded', result: 0, logs: [] },
} as const;

export const LEFTOVERS: readonly AttackCase[] = [
  {
    id: 16,
    group: 'async',
    name: 'a rejection that nobody handles while the handler waits',
    harmless: true,
    attacks: {
      ...inEach(
        {
          js: js(
            'Promise.reject(new Error("floating")); await new Promise((resolve) => setTimeout(resolve, 600)); return 1;',
          ),
        },
        throws('Error', 'floating'),
      ),
      // In Python it is only ever a line in the log.
      ...inEach(
        {
          py: asyncPython(
            'async def fails(): raise ValueError("floating")\nasyncio.create_task(fails())\nawait asyncio.sleep(0.01)\nreturn 1',
          ),
        },
        {
          calls: once({
            code: 'succeeded',
            result: 1,
            logs: [/^Task exception was never retrieved\n.*ValueError: floating$/s],
          }),
        },
      ),
    },
  },
  {
    id: 17,
    group: 'async',
    name: 'a timer that loops behind the result',
    attacks: inEach(
      {
        js: plainJs('setTimeout(() => { for (;;); }, 0); return 1;'),
        py: python(
          'import threading\ndef burn():\n  while True: pass\nthreading.Timer(0.01, burn).start()\nreturn 1',
        ),
        sh: shell('(sleep 0.01; while :; do :; done) &\n  answer=1'),
      },
      succeeds(1),
    ),
  },
  {
    id: 19,
    group: 'async',
    name: 'work that goes on when the answer is given',
    attacks: {
      ...inEach(
        { isolate: GOES_ON },
        { calls: [{ expect: { code: 'succeeded', result: 'left', logs: [] } }, SECOND_FINDS_NOTHING] },
      ),
      // A resident process is its function's; what may not be is that anything of an ephemeral one reaches the next.
      ...inEach(
        { node: GOES_ON, py: PY_GOES_ON },
        { models: ['ephemeral'], calls: [...succeeds('left').calls, SECOND_FINDS_NOTHING] },
      ),
    },
  },
  {
    id: 218,
    group: 'async',
    name: 'a loop in a microtask behind the result',
    attacks: {
      ...inEach({ isolate: LOOP_BEHIND_RESULT }, BY_WALL),
      // Node's answer goes out before; the next call meets the loop.
      ...inEach(
        { node: LOOP_BEHIND_RESULT },
        { spec: BY_WALL.spec, models: ['resident'], calls: [...succeeds(1).calls, ...BY_WALL.calls] },
      ),
    },
  },
  {
    id: 224,
    group: 'async',
    name: 'a rejection that nobody handles behind the result',
    attacks: {
      ...inEach({ isolate: FLOATING }, throws('Error', 'floating')),
      // Node tells of rejections when the handler has returned.
      ...inEach({ node: FLOATING }, { calls: [...succeeds(1).calls, ...succeeds(1).calls] }),
    },
  },
  {
    id: 225,
    group: 'async',
    name: 'a loop behind the answer, met by the next call',
    attacks: {
      ...inEach(
        { isolate: plainJs('setTimeout(() => { for (;;); }, 0); return event.second ? 2 : 1;') },
        { models: ['resident'], calls: twice(1, 2) },
      ),
      ...inEach(
        {
          node: plainJs('setImmediate(() => { for (;;); }); return 1;'),
        },
        {
          ...{ models: ['resident'], spec: BY_CPU.spec },
          calls: [
            { expect: { code: 'succeeded', result: 1 } },
            { expect: { code: 'cpu_limit', limit: 'cpuMs', minCpuMs: 150 } },
            { expect: { code: 'succeeded', result: 1 } },
          ],
        },
      ),
    },
  },
  {
    id: 226,
    group: 'async',
    name: 'a result that is given twice, and an error behind it',
    harmless: true,
    attacks: inEach(
      {
        js: file(
          'exports.handler = (event, context, callback) => { callback(null, 1); callback(new Error("late")); callback(null, 2); };',
        ),
      },
      succeeds(1),
    ),
  },
  {
    id: 227,
    group: 'async',
    name: 'lines that are logged behind the answer',
    attacks: inEach(
      {
        node: file(`let ran = 0;
exports.handler = (event) => {
  if (!event.second) setTimeout(() => { ran += 1; console.log('late'); }, 30);
  else return new Promise((resolve) => setTimeout(() => resolve(ran), 60));
  return ran;
};`),
        py: file(`import threading
ran = 0
def work():
  global ran
  answered.wait()
  ran += 1
  print("late")
answered = threading.Event()
worker = threading.Thread(target=work)
def handler(event, context):
  if not event.get("second"):
    worker.start()
    return 0
  answered.set()
  worker.join()
  return ran
`),
      },
      {
        models: ['resident'],
        // They are no lines of the first call; the output of the process is the next one's.
        calls: [
          { expect: { code: 'succeeded', result: 0, logs: [] } },
          { event: { second: true }, expect: { code: 'succeeded', result: 1, logs: ['late'] } },
        ],
      },
    ),
  },
];
