import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gbHours, RunResults } from './results.ts';

describe('RunResults', () => {
  it('is all zeros before anything happened', () => {
    expect(new RunResults().figures()).toEqual({
      ...{
        served: 0,
        starts: { none: 0, container: 0, runtime: 0, code: 0 },
        refused: 0,
        refusals: {},
        evictions: 0,
      },
      startLatencyMs: { totalMs: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
      ...{ idleMbSeconds: 0, busyMbSeconds: 0, peakMemoryMb: 0 },
    });
  });

  it('counts starts by layer, refusals by code, evictions, memory and its peak', () => {
    const results = new RunResults();
    for (const from of ['code', 'code', 'none', 'runtime'] as const) results.started(from, 1);
    for (const code of ['overloaded', 'queue_timeout', 'overloaded'] as const) results.refused(code, 0);
    results.evicted();
    results.evicted(3);
    for (const mb of [5, 9, 2]) results.memory(mb);
    results.held(1024, 10);
    results.held(1024, 5);
    expect(results.figures()).toMatchObject({
      ...{ served: 4, starts: { none: 1, container: 0, runtime: 1, code: 2 }, evictions: 4, peakMemoryMb: 9 },
      ...{
        refused: 3,
        refusals: { overloaded: 2, queue_timeout: 1 },
        idleMbSeconds: 2048,
        busyMbSeconds: 15,
      },
    });
    expect(gbHours(3600 * 1024)).toBe(1);
  });

  it('has exact sums, and percentiles within a thousandth', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (latencies) => {
          const results = new RunResults();
          for (const latencyMs of latencies) results.started('none', latencyMs);
          const { startLatencyMs } = results.figures();
          const ascending = latencies.toSorted((one, other) => one - other);
          const total = latencies.reduce((sum, each) => sum + each, 0);
          expect(startLatencyMs.totalMs).toBe(total);
          expect(startLatencyMs.meanMs).toBe(total / latencies.length);
          expect(startLatencyMs.maxMs).toBe(ascending.at(-1));
          for (const [share, seen] of [
            [0.5, startLatencyMs.p50Ms],
            [0.95, startLatencyMs.p95Ms],
            [0.99, startLatencyMs.p99Ms],
          ] as const) {
            const expected = ascending[Math.max(1, Math.floor(share * ascending.length + 0.5)) - 1] ?? 0;
            expect(Math.abs(seen - expected)).toBeLessThanOrEqual(0.002 + expected / 500);
          }
        },
      ),
    );
  });

  it('says zero of starts that cost nothing, and takes ones that last for ever as a week', () => {
    const results = new RunResults();
    results.started('code', 0);
    expect(results.figures().startLatencyMs).toMatchObject({ p50Ms: 0, p99Ms: 0, maxMs: 0 });
    results.started('none', 1e12);
    expect(results.figures().startLatencyMs).toMatchObject({ maxMs: 1e12, totalMs: 1e12 });
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a latency of %d', (latencyMs) => {
    expect(() => new RunResults().started('none', latencyMs)).toThrow(/finite and not negative/);
  });
});
