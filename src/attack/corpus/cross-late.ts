/**
 * Attacks that come late: answers, timers and lines of an invocation that is over; and the clocks to measure others by.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, python } from '../case.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

/** Remembers the id of the call before, and answers with what the Runtime API says to an answer under it. */
const STALE_SHELL = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
before=""
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  said=none
  if [ -n "$before" ]; then said="$(curl -sS -o /dev/null -w '%{http_code}' --data-binary '"forged"' "$api/invocation/$before/response")"; fi
  case "$said" in 400|403) said=refused ;; esac
  before="$id"
  curl -sS -o /dev/null --data-binary "\\"$said\\"" "$api/invocation/$id/response"
done
`;

const LATE: readonly AttackCase[] = [
  {
    id: 65,
    group: 'cross',
    name: 'an answer under the token of the call before',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(`let late = null;
exports.handler = (event, context, callback) => {
  if (event.first) { late = callback; callback(null, 'first'); return; }
  late(null, 'forged'); late(new Error('forged'));
  setTimeout(() => { late(null, 'forged'); callback(null, 'second'); }, 5);
};`),
        calls: [
          { event: { first: true }, expect: ok('first') },
          { event: {}, expect: ok('second') },
        ],
        models: ['resident'],
      }),
      python3: {
        code: file(`
import asyncio, threading
kept = []
async def handler(event, context):
  done = asyncio.get_running_loop().create_future()
  for loop, other in kept:
    try: loop.call_soon_threadsafe(other.set_result, "forged")
    except RuntimeError: pass
  kept.append((asyncio.get_running_loop(), done))
  asyncio.get_running_loop().call_soon(done.set_result, event["n"])
  return await done
`),
        calls: [1, 2, 3].map((n) => ({ event: { n }, expect: ok(n) })),
        models: ['resident'],
      },
      provided: {
        code: { files: { bootstrap: STALE_SHELL } },
        calls: [{ expect: ok('none') }, { expect: ok('refused') }, { expect: ok('refused') }],
        models: ['resident'],
      },
    },
  },
  {
    id: 312,
    group: 'cross',
    name: 'timers that outlive their invocation',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`let ran = 0;
exports.handler = async (event) => {
  if (event.leave) { setTimeout(() => { ran += 1; }, 1); setInterval(() => { ran += 1; }, 1); queueMicrotask(() => setTimeout(() => { ran += 1; }, 1)); return 'left'; }
  await new Promise((resolve) => setTimeout(resolve, 30));
  return ran;
};`),
        calls: [
          { event: { leave: true }, expect: ok('left') },
          { event: {}, expect: ok(0) },
        ],
        models: ['resident'],
      },
    },
  },
  {
    id: 313,
    group: 'cross',
    name: 'log lines that come after the answer',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`let say = null;
exports.handler = async (event) => {
  if (event.first) { new Promise((resolve) => { say = resolve; }).then(() => console.log('late')); setTimeout(() => console.log('never'), 5); console.log('first'); return 1; }
  console.log('second');
  say(); await null;
  return 2;
};`),
        calls: [
          { event: { first: true }, expect: { ...ok(1), logs: ['first'] } },
          // The continuation runs in the second call's time, and is the second's: it never was in the first's log.
          { event: {}, expect: { ...ok(2), logs: ['second', 'late'] } },
        ],
        models: ['resident'],
      },
      nodejs24: {
        code: file(`let say = null;
exports.handler = async (event) => {
  if (event.first) { new Promise((resolve) => { say = resolve; }).then(() => console.log('late')); console.log('first'); return 1; }
  console.log('second');
  say(); await null;
  return 2;
};`),
        calls: [
          { event: { first: true }, expect: { ...ok(1), logs: ['first'] } },
          { event: {}, expect: { ...ok(2), logs: ['second', 'late'] } },
        ],
        models: ['resident'],
      },
    },
  },
];

const CLOCKS: readonly AttackCase[] = [
  {
    id: 66,
    group: 'cross',
    name: 'the finest clock that a function can read',
    harmless: true,
    attacks: {
      // Whole milliseconds wherever a function can ask for the time, and no shared memory to count in.
      isolate: {
        code: js(`const { performance: ticking, Date: Calendar } = globalThis; const clocks = { performance: () => ticking.now(), date: () => Number(new Calendar()), event: () => new Event('a').timeStamp, remaining: () => context.getRemainingTimeInMillis() };
          const whole = {}; const smallest = {};
          for (const [name, read] of Object.entries(clocks)) {
            let last = read(); whole[name] = Number.isInteger(last); smallest[name] = Infinity;
            for (let round = 0; round < 6; round += 1) {
              await new Promise((resolve) => setTimeout(resolve, 2));
              for (let i = 0; i < 2000; i += 1) { const now = read(); if (!Number.isInteger(now)) whole[name] = false; const step = Math.abs(now - last); if (step > 0 && step < smallest[name]) smallest[name] = step; last = now; }
            }
            smallest[name] = smallest[name] >= 1;
          }
          return { whole, smallest, shared: [typeof SharedArrayBuffer, typeof Atomics, typeof Worker, typeof WebAssembly] };`),
        calls: once(
          ok({
            whole: { performance: true, date: true, event: true, remaining: true },
            smallest: { performance: true, date: true, event: true, remaining: true },
            shared: ['undefined', 'undefined', 'undefined', 'undefined'],
          }),
        ),
      },
      // A container has the kernel's clock, in nanoseconds: nothing is promised there but cores that are shared.
      nodejs24: {
        code: js(
          'const steps = []; for (let i = 0; i < 1000; i += 1) steps.push(Number(process.hrtime.bigint() - process.hrtime.bigint())); return steps.some((step) => -step < 1e6);',
        ),
        calls: once(ok(true)),
      },
      python3: {
        code: python(
          'before = time.perf_counter_ns()\nsteps = [time.perf_counter_ns() for _ in range(1000)]\nreturn min(b - a for a, b in zip(steps, steps[1:])) < 1000000',
        ),
        calls: once(ok(true)),
      },
    },
  },
];

export const LATE_CASES: readonly AttackCase[] = [...LATE, ...CLOCKS];
