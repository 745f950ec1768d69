/**
 * On a virtual machine: what tenants want to run, the processors they have, and a kernel that gives each its part.
 */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { ManualMachine } from '../ports/manual-machine.ts';
import { CpuFairness } from './cpu-fairness.ts';
import type { Pass } from './turnstile.ts';
import { Turnstile } from './turnstile.ts';

const CPUS = 2;
const STEP_MS = 10;

interface Work {
  readonly tenant: string;
  /** Calls that it wants to have open at once. */
  readonly calls: number;
  /** Of a processor, by one call that gets what it wants. */
  readonly share: number;
}

/** A machine on which each tenant's open calls want CPU time, and those who give way get what others leave. */
const setUp = () => {
  const clock = new ManualClock();
  const machine = new ManualMachine(null, 0);
  const turnstile = new Turnstile(clock, { maxLengthPerFunction: 10_000, timeoutMs: 1e9 });
  const used = new Map<string, number>();
  const giving = new Set<string>();
  const given = new Map<string, number>();
  const open = new Map<string, Pass[]>();
  const fairness = new CpuFairness({
    ...{ clock, machine, cpus: CPUS, turnstile, settings: { cpuHighPercent: 95, computingPerCpu: 2 } },
    account: {
      usedMs: () => {
        const taken = new Map(used);
        for (const name of used.keys()) used.set(name, 0);
        return taken;
      },
      giveWay: (name, gives) => {
        if (gives) giving.add(name);
        else giving.delete(name);
      },
    },
  });
  /** Each call takes so long that it does not end; one that may begin does at once. */
  const run = async (works: readonly Work[], ms: number, outsidersCpus = 0): Promise<void> => {
    for (const { tenant, calls } of works) {
      const passes = open.get(tenant) ?? [];
      open.set(tenant, passes);
      while (turnstile.load(tenant).running + turnstile.load(tenant).waiting < calls)
        void Promise.resolve(turnstile.enter({ tenant, key: tenant })).then((pass) => passes.push(pass));
    }
    for (let at = 0; at < ms; at += STEP_MS) {
      let freeCpus = CPUS - outsidersCpus;
      const polite = works.filter(({ tenant }) => !giving.has(tenant));
      for (const group of [polite, works.filter((work) => !polite.includes(work))]) {
        let left = group.length;
        const byWish = [...group].sort((one, other) => wish(turnstile, one) - wish(turnstile, other));
        for (const work of byWish) {
          const cpus = Math.min(wish(turnstile, work), freeCpus / left);
          left -= 1;
          freeCpus -= cpus;
          used.set(work.tenant, (used.get(work.tenant) ?? 0) + cpus * STEP_MS);
          given.set(work.tenant, (given.get(work.tenant) ?? 0) + cpus * STEP_MS);
        }
      }
      machine.setCpu(1 - freeCpus / CPUS);
      // Calls end and begin: the oldest makes way for who waits.
      for (const passes of open.values()) passes.shift()?.leave();
      await Promise.resolve();
      await Promise.resolve();
      for (const { tenant, calls } of works) {
        const passes = open.get(tenant) ?? [];
        while (turnstile.load(tenant).running + turnstile.load(tenant).waiting < calls)
          void Promise.resolve(turnstile.enter({ tenant, key: tenant })).then((pass) => passes.push(pass));
      }
      await Promise.resolve();
      await Promise.resolve();
      clock.advance(STEP_MS);
    }
  };
  return { run, turnstile, giving, given, fairness, clock };
};

const wish = (turnstile: Turnstile, { tenant, share }: Work): number =>
  Math.min(CPUS, turnstile.load(tenant).running * share);

const FLOOD: Work = { tenant: 'flood', calls: 120, share: 1 };
const VICTIM: Work = { tenant: 'victim', calls: 1, share: 0.1 };

describe('CpuFairness', () => {
  it('lets a tenant that floods the processors run a few at once for each of them, and give way', async () => {
    const { run, turnstile, giving } = setUp();
    await run([FLOOD, VICTIM], 5_000);
    expect(turnstile.load('flood').running).toBe(2 * CPUS);
    expect([...giving]).toEqual(['flood']);
    expect(turnstile.load('victim').limit).toBeNull();
  });

  it('holds a tenant that is alone to what keeps the processors busy, and takes none of them from it', async () => {
    const { run, turnstile, giving, given } = setUp();
    await run([FLOOD], 5_000);
    expect(turnstile.load('flood').running).toBe(2 * CPUS);
    expect(given.get('flood')).toBeGreaterThan(0.99 * CPUS * 5_000);
    expect(giving.size).toBe(0);
  });

  it('does not hold back what mostly waits for more than the processors have', async () => {
    const { run, turnstile, given } = setUp();
    const sleepers: Work = { tenant: 'sleepers', calls: 300, share: 0.01 };
    await run([sleepers], 20_000);
    expect(given.get('sleepers')).toBeGreaterThan(0.85 * CPUS * 20_000);
    expect(turnstile.load('sleepers').running).toBeGreaterThan(100);
  });

  it('never holds anybody back while the processors are not short', async () => {
    const { run, turnstile, giving } = setUp();
    await run([{ tenant: 'many', calls: 500, share: 0.003 }, VICTIM], 5_000);
    expect(turnstile.load('many')).toEqual({ running: 500, waiting: 0, limit: null });
    expect(giving.size).toBe(0);
  });

  it('divides evenly between tenants that all want more than there is', async () => {
    const { run, given } = setUp();
    await run([FLOOD, { ...FLOOD, tenant: 'other', calls: 8 }], 10_000);
    const [flood = 0, other = 0] = [given.get('flood'), given.get('other')];
    expect(Math.min(flood, other) / Math.max(flood, other)).toBeGreaterThan(0.8);
  });

  it('lets nobody starve who gives way', async () => {
    const { run, given } = setUp();
    const greedy = ['x', 'y', 'z'].map((tenant) => ({ tenant, calls: 4, share: 1 }));
    await run([FLOOD, VICTIM], 2_000);
    const before = given.get('flood') ?? 0;
    await run([FLOOD, ...greedy], 10_000);
    expect((given.get('flood') ?? 0) - before).toBeGreaterThan(0.5 * (CPUS / 4) * 10_000);
  });

  it('lifts what it set once the processors are free again, and forgets who computes no more', async () => {
    const { run, turnstile, giving, fairness } = setUp();
    await run([FLOOD, VICTIM], 5_000);
    await run([{ ...FLOOD, calls: 0 }, VICTIM], 20_000);
    expect(turnstile.load('flood').limit).toBeNull();
    expect(giving.size).toBe(0);
    expect(turnstile.waiting).toBe(0);
    fairness.close();
  });

  it('takes nothing from tenants for what others on the machine use', async () => {
    const { run, turnstile, giving } = setUp();
    await run([{ tenant: 'small', calls: 20, share: 0.01 }, VICTIM], 5_000, 1.8);
    expect(turnstile.load('small').limit).toBeNull();
    expect(giving.size).toBe(0);
  });
});
