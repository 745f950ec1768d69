/**
 * The layers of containers as an invocation meets them: what it starts from, what is kept, and what is not.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Start } from '../../src/core/receipt.ts';
import { eventually } from '../limits/bench.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';
import { openGroup } from './processes.ts';
import { openSandboxes } from './sandboxes.ts';

const WHERE = {
  nodejs24: 'exports.handler = () => require("node:os").hostname();',
  python3: 'import socket\ndef handler(event, context): return socket.gethostname()\n',
};
const RUNTIMES = ['nodejs24', 'python3'] as const;

await describeContainers('starts in containers', ['nodejs24', 'python3', 'provided'], () => {
  it.each(RUNTIMES)('of %s are from the layer that is asked for', async (runtime) => {
    const quick = { maxContainers: 4, sweepIntervalMs: 20, runtimeIdleMs: 2_000 };
    // What RainbowCake's policy demotes stays with its tenant, layer by layer.
    const containers = await openContainers(quick, ENGINE_HOST, null, 'layered');
    await containers.deploy('where', runtime, WHERE[runtime], { idleTimeoutMs: 1_000 });
    const start = async (requireStart: Start): Promise<Start> =>
      (await containers.invoke('where', {}, { requireStart })).receipt.start;
    expect(await start('none')).toBe('none');
    expect(await start('code')).toBe('code');
    const booted = () => containers.pool(runtime).ready.runtime > 0;
    expect(await eventually(20_000, booted)).toBe(true);
    expect(await start('runtime')).toBe('runtime');
    // The tenant's containers fall back to the lowest layer when their code and their runtime have been idle.
    const empty = () =>
      containers
        .pool(runtime)
        .sandboxes.some(({ tenant, instances }) => tenant !== null && instances.length === 0);
    expect(await eventually(20_000, empty)).toBe(true);
    expect(await start('container')).toBe('container');
    await containers.close();
  });

  it('fall from code to runtime to container and then go, each by its own time', async () => {
    const times = { sweepIntervalMs: 10, runtimeIdleMs: 900, containerIdleMs: 1_500 };
    const containers = await openContainers(times, ENGINE_HOST, null, 'layered');
    await containers.deploy('where', 'python3', WHERE.python3, { idleTimeoutMs: 200 });
    const home = await containers.result<string>('where');
    const layers: string[] = [];
    const gone = (): boolean => {
      const sandbox = containers.pool('python3').sandboxes.find(({ id }) => id === home);
      const layer = sandbox?.layer ?? 'gone';
      if (layers.at(-1) !== layer) layers.push(layer);
      return sandbox === undefined;
    };
    expect(await eventually(20_000, gone)).toBe(true);
    // While the code process ends and the next one boots, the container alone is there.
    expect(layers.join(' ')).toMatch(/^code (?:container )?runtime container gone$/);
    expect(await eventually(10_000, () => containers.pool('python3').sandboxes.length === 0)).toBe(true);
    await containers.close();
  });

  it('of another tenant are never in a container that had one', async () => {
    const containers = await openContainers({ maxContainers: 2, startParallelism: 2 });
    const tenants = ['ada', 'bob', 'eve'];
    for (const tenant of tenants) await containers.deploy('where', 'python3', WHERE.python3, { tenant });
    const seen = new Map(tenants.map((tenant) => [tenant, new Set<string>()]));
    for (let round = 0; round < 4; round += 1) {
      const answers = tenants.map(async (tenant) =>
        seen.get(tenant)?.add(await containers.result<string>('where', {}, { tenant })),
      );
      await Promise.all(answers);
    }
    const all = [...seen.values()].flatMap((ids) => [...ids]);
    expect(new Set(all).size).toBe(all.length);
    await containers.close();
  });
});

await describeContainers('memory sizes of containers', ['nodejs24', 'python3', 'provided'], () => {
  let containers: Containers;
  beforeAll(async () => {
    containers = await openContainers({ pristine: 1 });
  });
  afterAll(() => containers.close());

  /** The code in the container, a few pages of it, comes on top. */
  const limitMb = async (name: string, runtime: 'nodejs24' | 'python3'): Promise<number> => {
    const [sandbox] = containers.holding(name, runtime);
    return Math.floor((await openGroup(sandbox?.id ?? '')).memoryLimitBytes() / 2 ** 20);
  };

  it.each([64, 300])('a Python function of %i MB resizes the runtime that is ready', async (memoryMb) => {
    const name = `python-${memoryMb}`;
    await containers.deploy(name, 'python3', WHERE.python3, { memoryMb });
    await containers.executor.ready();
    expect(await eventually(10_000, () => containers.pool('python3').ready.runtime > 0)).toBe(true);
    const { receipt } = await containers.invoke(name);
    expect(receipt).toMatchObject({ start: 'runtime', status: 'succeeded' });
    expect(await limitMb(name, 'python3')).toBe(memoryMb);
  });

  it('a Node function of another size boots anew, with a heap of that size', async () => {
    const heap = 'exports.handler = () => require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20;';
    await containers.deploy('small', 'nodejs24', heap, { memoryMb: 128 });
    await containers.deploy('large', 'nodejs24', heap, { memoryMb: 512 });
    const small = await containers.result<number>('small');
    expect(small).toBeLessThan(128);
    const large = await containers.invoke('large');
    expect(large.receipt.start).not.toBe('runtime');
    expect(large.result).toBeGreaterThan(2 * small);
    expect(large.result).toBeLessThan(512);
    expect(await limitMb('large', 'nodejs24')).toBe(512);
  });
});

await describeContainers('code in a container', ['python3'], () => {
  it('that was there before is not sent again', async () => {
    const sandboxes = await openSandboxes('python3');
    const file = (mark: string) =>
      `import os\ndef handler(e, c):\n  s = os.stat(__file__)\n  return ["${mark}", s.st_ino, s.st_ctime_ns]\n`;
    const first = await sandboxes.serve(file('first'));
    const before = await first.result();
    const other = await first.again(file('other'));
    expect(await other.result()).not.toEqual(before);
    const again = await other.again(file('first'));
    expect(again.carrier).toBe(first.carrier);
    expect(await again.result()).toEqual(before);
    await sandboxes.close();
  });
});
