import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import { StatsCollector, type StatsFunction } from './collector.ts';

const MINUTE_MS = 60_000;

const functionOf = (id: string, tenant = 'acme', version = '$LATEST'): StatsFunction => ({
  ...{ id, tenant, version },
});

const finished = (record: StatsFunction, handlerMs = 1): Parameters<StatsCollector['add']>[0] => ({
  ...{ function: record, start: 'code', phases: [0.5, 0, 0, 0, 0, handlerMs], failure: null },
  ...{ initCpuNs: 0, handlerCpuNs: 1e6, maxMemoryBytes: null },
});

const open = (maxFunctions = 10, windowMinutes = 60) => {
  const clock = new ManualClock();
  return { clock, stats: new StatsCollector(clock, { windowMinutes, maxFunctions }) };
};

describe('statistics', () => {
  it('count invocations, errors and starts, with exact means and maxima', () => {
    const { stats } = open();
    const record = functionOf('f');
    stats.add({ ...finished(record, 2), maxMemoryBytes: 3 * 1024 * 1024 });
    stats.add({
      ...finished(record, 0),
      ...{ start: 'runtime', handlerCpuNs: 2e6, initCpuNs: 1e6 },
      failure: { code: 'init_timeout', detail: 'It took too long.', limit: null, error: null },
    });
    expect(stats.of(record, false)).toEqual({
      ...{ windowMs: 60 * MINUTE_MS, invocations: 2, failed: 1, errors: { init_timeout: 1 } },
      starts: { none: 0, container: 0, runtime: 1, code: 1 },
      handlerMs: { p50: 2, p90: 2, p95: 2, p99: 2, max: 2 },
      startMs: expect.objectContaining({ max: 0.5 }),
      ...{ cpuMs: { mean: 2, max: 3 }, maxMemoryMb: 3 },
    });
  });

  it('are of all versions together, or of one, and never of a function that had the name before', () => {
    const { stats } = open();
    stats.add(finished(functionOf('f')));
    stats.add(finished(functionOf('f', 'acme', '1')));
    stats.add(finished(functionOf('former')));
    stats.add(finished(functionOf('f', 'other')));
    expect(stats.of(functionOf('f'), false).invocations).toBe(2);
    expect(stats.of(functionOf('f', 'acme', '1'), true).invocations).toBe(1);
    expect(stats.of(functionOf('f', 'acme', '2'), true)).toMatchObject({ invocations: 0, cpuMs: null });
  });

  it('go on over a deployment', () => {
    const { stats } = open();
    for (let run = 0; run < 3; run += 1) stats.add(finished(functionOf('f')));
    expect([stats.of(functionOf('f'), true).invocations, stats.size]).toEqual([3, 1]);
  });

  it('are of the window alone, which slides', async () => {
    const { clock, stats } = open();
    const record = functionOf('f');
    const counts: number[] = [];
    for (let minute = 0; minute < 180; minute += 1) {
      stats.add(finished(record));
      counts.push(stats.of(record, false).invocations);
      await clock.advance(MINUTE_MS);
    }
    expect(counts.slice(0, 60)).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
    // The oldest twelfth is given up at once.
    for (const count of counts.slice(60)) expect(count > 55 && count <= 60).toBe(true);
    await clock.advance(55 * MINUTE_MS);
    expect(stats.of(record, false).invocations).toBeLessThanOrEqual(5);
    await clock.advance(10 * MINUTE_MS);
    expect(stats.of(record, false)).toMatchObject({ invocations: 0, errors: {}, handlerMs: null });
    await clock.advance(1_000 * MINUTE_MS);
    stats.add(finished(record));
    expect(stats.of(record, false).invocations).toBe(1);
  });

  it('stay within their number under a hundred thousand names of one tenant, at no cost to another', async () => {
    const { clock, stats } = open(100);
    const mine = [functionOf('a', 'quiet'), functionOf('b', 'quiet')];
    for (const record of mine) stats.add(finished(record));
    const random = seededRandom(5);
    for (let id = 0; id < 100_000; id += 1) {
      const version = random.fraction() < 0.5 ? '$LATEST' : String(id);
      stats.add(finished(functionOf(`f${id}`, 'flood', version)));
      if (id % 10_000 === 0) await clock.advance(1_000);
    }
    expect(stats.size).toBe(100);
    for (const record of mine) expect(stats.of(record, true).invocations).toBe(1);
    for (let tenant = 0; tenant < 500; tenant += 1) stats.add(finished(functionOf('f', `t${tenant}`)));
    expect(stats.size).toBe(100);
  });

  it('give up what was used least recently', async () => {
    const { clock, stats } = open(2);
    const [used, idle] = [functionOf('used'), functionOf('idle')];
    stats.add(finished(used));
    stats.add(finished(idle));
    await clock.advance(2_000);
    stats.add(finished(used));
    stats.add(finished(functionOf('new')));
    expect([used, idle].map((record) => stats.of(record, true).invocations)).toEqual([2, 0]);
  });

  it('are not kept where none are wanted', () => {
    const { stats } = open(0);
    stats.add(finished(functionOf('f')));
    expect([stats.size, stats.of(functionOf('f'), false).invocations]).toEqual([0, 0]);
  });
});
