/**
 * Who is together with whom: tenants, neighbours of a function that kills its host, and the way down when idle.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { ExecutorOptions } from '../../src/index.ts';
import { type Bench, eventually, openBench } from './bench.ts';

/** For what the pool does in the background within tens of milliseconds. */
const SOON_MS = 10_000;
const KILLER = 'exports.handler = (event) => event.kill ? "a".repeat(2 ** 29 - 24).split("") : "calm";';
const WAITS =
  'exports.handler = (event) => new Promise((resolve) => setTimeout(resolve, event.ms, "waited"));';

let bench: Bench | null = null;

afterEach(async () => {
  await bench?.executor.close();
  bench = null;
});

const open = async (
  isolate: NonNullable<ExecutorOptions['isolate']> = {},
  name: 'strata' | 'layered' = 'strata',
): Promise<Bench> => {
  bench = await openBench({ isolate, policy: { name } });
  return bench;
};

describe('tenants', () => {
  it('never share a host, not even one after the other', async () => {
    const { deploy, result, pool } = await open({ pristineHosts: 1, maxHosts: 4 });
    const owners = new Map<string, string>();
    for (let round = 0; round < 3; round += 1) {
      for (const tenant of ['one', 'two', 'three']) {
        await deploy(
          `f-${round}`,
          'exports.handler = () => typeof globalThis.mark === "undefined" ? (globalThis.mark = 1) : "seen";',
          { tenant },
        );
        expect(await result(`f-${round}`, {}, { tenant })).toBe(1);
        for (const { id, tenant: owner } of pool().sandboxes) {
          if (owner === null) expect(owners.has(id)).toBe(false);
          else expect(owners.get(id) ?? owner).toBe(owner);
          if (owner !== null) owners.set(id, owner);
        }
      }
    }
    expect(new Set(owners.values())).toEqual(new Set(['one', 'two', 'three']));
  });

  it('do not see the functions of each other', async () => {
    const { deploy, invoke, executor } = await open();
    await deploy('mine', 'exports.handler = () => 1;', { tenant: 'one' });
    await expect(invoke('mine', {}, { tenant: 'two' })).rejects.toMatchObject({ code: 'not_found' });
    const { receipt } = await invoke('mine', {}, { tenant: 'one' });
    expect(() => executor.invocation(receipt.invocationId, { tenant: 'two' })).toThrow(
      /No finished invocation/,
    );
    expect(executor.list({ tenant: 'two' }).functions).toEqual([]);
  });

  it('evict one another when all hosts are taken, and are served', async () => {
    const { deploy, result, pool } = await open({ pristineHosts: 0, maxHosts: 2 });
    for (const tenant of ['one', 'two', 'three', 'one']) {
      await deploy('f', 'exports.handler = () => 1;', { tenant });
      expect(await result('f', {}, { tenant })).toBe(1);
      expect(pool().sandboxes.filter(({ state }) => state !== 'ending').length).toBeLessThanOrEqual(2);
    }
  });
});

describe('a function that kills its host', () => {
  it('is blamed; who only waited beside it is lost and may retry; and it is alone from then on', async () => {
    const { deploy, invoke, holding, result, pool } = await open();
    await deploy('killer', KILLER, { memoryMb: 32, timeoutMs: 20_000, cpuMs: 20_000 });
    await deploy('waits', WAITS, { timeoutMs: 60_000, concurrency: 4 });
    expect(await result('killer')).toBe('calm');
    expect(await result('waits', { ms: 1 })).toBe('waited');
    const [before] = holding('killer');
    expect(holding('waits').map(({ id }) => id)).toEqual([before?.id]);

    const waiting = invoke('waits', { ms: 30_000 });
    const killed = await invoke('killer', { kill: true });
    expect(['memory_limit', 'sandbox_exited']).toContain(killed.receipt.error?.code);
    const lost = await waiting;
    expect(lost.receipt.error?.code).toBe('sandbox_lost');
    expect(lost.receipt.usage.cpuMs).toBeLessThan(50);

    expect(await result('waits', { ms: 1 })).toBe('waited');
    expect(await result('killer')).toBe('calm');
    const [alone] = holding('killer');
    expect(alone).toMatchObject({ quarantinedFor: 'killer@$LATEST', tenant: 'default' });
    expect(alone?.instances.every((instance) => [null, 'killer@$LATEST'].includes(instance.function))).toBe(
      true,
    );
    expect(holding('waits').map(({ id }) => id)).not.toContain(alone?.id);

    const beside = invoke('waits', { ms: 300 });
    await invoke('killer', { kill: true });
    expect((await beside).result).toBe('waited');
    expect(pool().slots.busy).toBe(0);
  });

  it('is free again once it is deployed anew', async () => {
    const { deploy, invoke, holding, result } = await open();
    await deploy('killer', KILLER, { memoryMb: 32, timeoutMs: 20_000, cpuMs: 20_000 });
    await invoke('killer', { kill: true });
    expect(await result('killer')).toBe('calm');
    expect(holding('killer')[0]?.quarantinedFor).toBe('killer@$LATEST');
    await deploy('killer', 'exports.handler = () => "mended";', { memoryMb: 32 });
    expect(await result('killer')).toBe('mended');
    const fresh = holding('killer').filter(({ instances }) =>
      instances.some(({ function: name, state }) => name === 'killer@$LATEST' && state === 'free'),
    );
    expect(fresh.map(({ quarantinedFor }) => quarantinedFor)).toEqual([null]);
  });

  it('takes the host with it when it cannot be stopped, and the neighbour is lost, not blamed', async () => {
    const { deploy, invoke, result, holding } = await open({ killGraceMs: 100 });
    const stuck =
      'class Spin extends Error { get name() { for (;;); } } exports.handler = (event) => { if (event.calm) return "calm"; (async () => { throw new Spin(); })(); return new Promise(() => {}); };';
    await deploy('stuck', stuck, { timeoutMs: 200, cpuMs: 20_000 });
    await deploy('waits', WAITS, { timeoutMs: 60_000 });
    expect(await result('stuck', { calm: true })).toBe('calm');
    expect(await result('waits', { ms: 1 })).toBe('waited');
    const waiting = invoke('waits', { ms: 30_000 });
    expect((await invoke('stuck')).receipt.error?.code).toBe('function_timeout');
    expect((await waiting).receipt.error?.code).toBe('sandbox_lost');
    expect(await result('waits', { ms: 1 })).toBe('waited');
    expect(await result('stuck', { calm: true })).toBe('calm');
    expect(holding('stuck')[0]?.quarantinedFor).toBe('stuck@$LATEST');
  });

  it('is blamed when it does so at load, for lack of anybody else', async () => {
    const { deploy, failure } = await open();
    await deploy('killer', '"a".repeat(2 ** 29 - 24).split(""); exports.handler = () => 1;', {
      memoryMb: 32,
    });
    const answer = await failure('killer');
    expect(['memory_limit', 'sandbox_exited']).toContain(answer.failure.code);
  });

  it('does not lose a neighbour when it only fills its own memory with small things', async () => {
    const { deploy, invoke, result } = await open();
    const leak =
      'exports.handler = (event) => { if (event.calm) return "calm"; let head = null; for (;;) head = { head }; };';
    await deploy('leak', leak, { memoryMb: 32, timeoutMs: 20_000, cpuMs: 20_000 });
    await deploy('waits', WAITS, { timeoutMs: 60_000 });
    expect(await result('leak', { calm: true })).toBe('calm');
    expect(await result('waits', { ms: 1 })).toBe('waited');
    const waiting = invoke('waits', { ms: 1_500 });
    expect((await invoke('leak')).receipt.error?.code).toBe('memory_limit');
    expect((await waiting).result).toBe('waited');
  });
});

describe('what is idle', () => {
  it('goes down layer by layer: code, runtime, container, gone', async () => {
    const { deploy, result, executor, pool } = await open(
      {
        ...{ pristineHosts: 1, spareRuntimes: 1, sweepIntervalMs: 10 },
        ...{ runtimeIdleMs: 900, hostIdleMs: 1_800 },
      },
      'layered',
    );
    await deploy('idle', 'exports.handler = () => 1;', { idleTimeoutMs: 300 });
    const own = () => pool().sandboxes.find(({ tenant }) => tenant === 'default');
    const layers: string[] = [];
    const look = (): void => {
      const layer = own()?.layer ?? 'gone';
      if (layers.at(-1) !== layer) layers.push(layer);
    };
    expect(await result('idle')).toBe(1);
    look();
    expect(
      await eventually(SOON_MS, () => {
        look();
        const { free, busy, starting, draining, total } = pool().slots;
        expect(free + busy + starting + draining).toBe(total);
        return layers.at(-1) === 'gone';
      }),
    ).toBe(true);
    // Between the end of the code and the boot of the next runtime the host alone may be seen.
    expect(layers.join(' ')).toMatch(/^code (?:container )?runtime container gone$/);
    await executor.ready();
    expect(await result('idle')).toBe(1);
  });

  it('keeps as many instances as minInstances says', async () => {
    const { deploy, invoke, holding } = await open({
      sweepIntervalMs: 10,
      runtimeIdleMs: 100,
      hostIdleMs: 100,
    });
    await deploy('kept', 'exports.handler = () => 1;', { idleTimeoutMs: 100, minInstances: 1 });
    await deploy('dropped', 'exports.handler = () => 1;', { idleTimeoutMs: 100 });
    await invoke('kept');
    await invoke('dropped');
    expect(await eventually(SOON_MS, () => holding('dropped').length === 0)).toBe(true);
    expect(holding('kept')).toHaveLength(1);
    expect((await invoke('kept')).receipt.start).toBe('code');
  });
});
