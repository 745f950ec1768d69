/**
 * What is billed for containers, held against what the kernel itself counted for them.
 */
import { expect, it } from 'vitest';
import type { InvokeOutcome } from '../../src/sandbox/api.ts';
import { eventually } from '../limits/bench.ts';
import { describeContainers } from './availability.ts';
import { type Group, openGroup } from './processes.ts';
import { openSandboxes, type Served } from './sandboxes.ts';

const LIMIT_MS = 10_000;

/** Uses `cpuMs` of its thread's CPU time, then does as it is told. */
const WORKS = {
  nodejs24: `
exports.handler = async ({ cpuMs = 0, fails, spins, waits }) => {
  const { user, system } = process.cpuUsage();
  for (let used = 0; used < cpuMs * 1000;) { const now = process.cpuUsage(); used = now.user + now.system - user - system; }
  while (spins) {}
  if (waits) await new Promise(() => {});
  if (fails) throw new Error('told to');
  return { cpuMs };
};`,
  python3: `
import threading, time
def handler(event, context):
  end = time.thread_time() + event.get("cpuMs", 0) / 1000
  while time.thread_time() < end: pass
  while event.get("spins"): pass
  if event.get("waits"): threading.Event().wait()
  if event.get("fails"): raise Exception("told to")
  return event
`,
} as const;

interface Work {
  readonly event: object;
  readonly code: string | null;
  readonly limits?: { readonly timeoutMs?: number; readonly cpuMs?: number };
}
const SHORT: Work = { event: {}, code: null };
const HEAVY: Work = { event: { cpuMs: 25 }, code: null };
const FAILS: Work = { event: { fails: true }, code: 'function_error' };
const SPINS: Work = { event: { spins: true }, code: 'cpu_limit', limits: { cpuMs: 60 } };
const LATE: Work = {
  event: { cpuMs: 10, waits: true },
  code: 'function_timeout',
  limits: { timeoutMs: 200 },
};

/** A quarter of the thousand: the last one ends its instance, and so does the one in the middle. */
const WORKS_IN_ORDER: readonly Work[] = Array.from({ length: 250 }, (_, index) => {
  if (index === 124) return SPINS;
  if (index === 249) return LATE;
  return index % 10 === 3 ? HEAVY : index % 10 === 7 ? FAILS : SHORT;
});

/** Runs the works, so many at once; answers with what was billed and what the kernel counted, nanoseconds. */
const account = async (runtime: 'nodejs24' | 'python3', concurrency: number) => {
  const sandboxes = await openSandboxes(runtime);
  let billedNs = 0;
  let countedNs = 0;
  const carrier = await sandboxes.tier.provision();
  const group = await openGroup(carrier.id);
  const codes = new Map<string, number>();
  const begin = async (): Promise<Served> => {
    const instance = await carrier.boot(128);
    // The bill begins with the code; the runtime's own start is nobody's.
    await still(group);
    countedNs -= group.cpuNs();
    const { served, load } = await sandboxes.load(instance, WORKS[runtime]);
    billedNs += load.cpuNs;
    return served;
  };
  const end = async (served: Served): Promise<void> => {
    if (!served.instance.ended) await still(group);
    countedNs += group.cpuNs();
    await served.instance.dispose();
  };
  let served = await begin();
  const open = new Set<Promise<void>>();
  for (const { event, limits, code } of WORKS_IN_ORDER) {
    // What ends its instance is alone in it.
    const alone = limits !== undefined;
    while (open.size >= (alone ? 1 : concurrency)) await Promise.race(open);
    const call: Promise<void> = served.invoke(event, limits).then((outcome: InvokeOutcome) => {
      open.delete(call);
      billedNs += outcome.cpuNs;
      codes.set(`${code}`, (codes.get(`${code}`) ?? 0) + 1);
      expect(outcome.failure?.code ?? null).toBe(code);
    });
    open.add(call);
    if (!alone) continue;
    await Promise.all(open);
    await end(served);
    served = await begin();
  }
  await Promise.all(open);
  await end(served);
  await sandboxes.close();
  return { billedNs, countedNs, codes: Object.fromEntries(codes) };
};

/** Nothing runs in it any more. */
const still = (group: Group): Promise<boolean> => eventually(LIMIT_MS, group.frozen);

await describeContainers('the bill of containers', ['nodejs24', 'python3', 'provided'], () => {
  it('agrees with the kernel within 1 % over a thousand mixed invocations', async () => {
    let [billedNs, countedNs, calls] = [0, 0, 0];
    for (const runtime of ['nodejs24', 'python3'] as const) {
      for (const concurrency of [1, 4]) {
        const part = await account(runtime, concurrency);
        console.log(
          runtime,
          concurrency,
          part.billedNs / 1e6,
          part.countedNs / 1e6,
          part.billedNs / part.countedNs,
        );
        expect(part.codes).toEqual({ null: 223, function_error: 25, cpu_limit: 1, function_timeout: 1 });
        billedNs += part.billedNs;
        countedNs += part.countedNs;
        calls += 250;
      }
    }
    expect(calls).toBe(1_000);
    expect(billedNs / countedNs).toBeGreaterThan(0.99);
    expect(billedNs / countedNs).toBeLessThan(1.01);
  });
});
