import { describe, expect, it, vi } from 'vitest';
import { PLANS_SHOWN_MAX, SANDBOXES_SHOWN_MAX } from '../core/limits.ts';
import { Demand } from './demand.ts';
import { type Bench, type BenchOptions, createBench, patient, place, runOn } from './fixture.ts';
import { Functions } from './functions.ts';
import type { Policy } from './policy/api.ts';

const run = async (bench: Bench, tenant: string, name: string): Promise<void> => {
  const pending = Promise.resolve(bench.scheduler.acquire(place(name, { tenant })));
  const running = pending.then((lease) => runOn(lease, 'echo'));
  await bench.clock.advance(100);
  expect(await running).toBe('ok');
};

const benchOf = (options: BenchOptions = {}): Promise<Bench> =>
  createBench({ ...options, settings: { maxSandboxes: 400, ...options.settings } });

describe('what a tenant is shown', () => {
  it('are its own sandboxes and plans and nobody’s; of others only that they take slots', async () => {
    const bench = await benchOf({ policy: { ...patient, warm: () => HOUR } });
    await run(bench, 'mine', 'f');
    await run(bench, 'victim', 'secret-name');
    await bench.clock.advance(500);
    const all = bench.pool.view();
    const view = bench.pool.snapshot().of('mine');
    expect(new Set(view.sandboxes.map(({ tenant }) => tenant))).toEqual(new Set(['mine', null]));
    expect(view.otherSandboxes).toBe(1);
    expect(view.plans?.map(({ tenant }) => tenant)).toContain('mine');
    expect(view).toMatchObject({ slots: all.slots, ready: all.ready, provisioned: 0, unlistedSandboxes: 0 });
    expect(JSON.stringify(view)).not.toMatch(/victim|secret/);
    expect(JSON.stringify(all)).toMatch(/victim.*secret|secret.*victim/);
  });

  it('are no sandboxes that another has claimed since the moment was looked at', async () => {
    const bench = await benchOf({ policy: { ...patient, warm: () => HOUR } });
    await bench.clock.advance(500);
    const snapshot = bench.pool.snapshot();
    await run(bench, 'victim', 'secret-name');
    const view = snapshot.of('spy');
    expect(JSON.stringify(view)).not.toMatch(/victim|secret/);
    expect(view.otherSandboxes).toBe(1);
  });

  it('are at most two hundred sandboxes, those used last, and the hundred plans that are due soonest', async () => {
    const bench = await benchOf({ capacity: 1, policy: { ...patient, warm: () => HOUR } });
    for (let index = 0; index < 230; index += 1) await run(bench, 'mine', `f${index}`);
    const view = bench.pool.snapshot().of('mine');
    expect(view.sandboxes).toHaveLength(SANDBOXES_SHOWN_MAX);
    expect(view.unlistedSandboxes).toBe(bench.pool.view().sandboxes.length - SANDBOXES_SHOWN_MAX);
    expect(view.sandboxes[0]?.instances[0]?.function).toBe('f229');
    const names = view.plans?.map(({ function: name }) => name);
    expect(names).toEqual(Array.from({ length: PLANS_SHOWN_MAX }, (_, index) => `f${index}`));
  });

  it('looks at no function of others, and makes no plan', async () => {
    const warm = vi.fn<Policy['warm']>(() => HOUR);
    const bench = await benchOf({ policy: { ...patient, warm } });
    for (let index = 0; index < 40; index += 1) await run(bench, `t${index}`, 'f');
    await bench.clock.advance(1_000);
    const all = vi.spyOn(Functions.prototype, 'all');
    const planOf = vi.spyOn(Demand.prototype, 'planOf');
    warm.mockClear();
    const view = bench.pool.snapshot().of('t7');
    expect(warm).not.toHaveBeenCalled();
    expect(all).not.toHaveBeenCalled();
    expect(planOf).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    expect(view.sandboxes.filter(({ tenant }) => tenant === 't7')).toHaveLength(1);
    expect(view.otherSandboxes).toBe(39);
  });
});

const HOUR = { windows: [{ fromMs: 0, untilMs: 3_600_000 }], why: 'the test says so' };

describe('the census', () => {
  it('counts what the view lists', async () => {
    const bench = await benchOf();
    await run(bench, 'a', 'f');
    await run(bench, 'b', 'g');
    const { sandboxes } = bench.pool.view();
    const { census } = bench.pool.snapshot();
    const sum = (rows: readonly { readonly count: number }[]) =>
      rows.reduce((total, row) => total + row.count, 0);
    expect(sum(census.sandboxes)).toBe(sandboxes.length);
    expect(sum(census.slots)).toBe(sandboxes.flatMap(({ instances }) => instances).length);
    expect(census.sandboxes).toContainEqual({ layer: 'code', state: 'ready', taint: 'tenant', count: 2 });
    expect(census.slots).toContainEqual({ layer: 'code', state: 'free', count: 2 });
  });
});
