/**
 * CPU time and memory of functions in containers: how they are measured, and where they are stopped.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';

const RUNTIMES = ['nodejs24', 'python3'] as const;

const SPIN = {
  nodejs24: 'exports.handler = () => { for (;;); };',
  python3: 'def handler(event, context):\n  while True: pass\n',
};

/** Fills so many megabytes and lets go of them. */
const FILL = {
  nodejs24:
    'exports.handler = ({ mb = 0 }) => { const kept = []; for (let at = 0; at < mb; at += 1) kept.push(Buffer.alloc(2 ** 20, 1)); return kept.length; };',
  python3:
    'def handler(event, context):\n  kept = bytearray(b"x") * (event.get("mb", 0) * 2**20)\n  return len(kept) // 2**20\n',
};

/** Uses so much CPU time and answers with what it used itself. */
const WORK = {
  nodejs24: `exports.handler = ({ ms }) => {
  const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  const before = used();
  while (used() - before < ms);
  return used() - before;
};`,
  python3: `import time
def handler(event, context):
  before = time.process_time()
  while (time.process_time() - before) * 1000 < event["ms"]: pass
  return (time.process_time() - before) * 1000
`,
};

await describeContainers('functions in containers', ['nodejs24', 'python3', 'provided'], () => {
  let containers: Containers;
  beforeAll(async () => {
    containers = await openContainers({ pristine: 1 });
    for (const runtime of RUNTIMES) {
      await containers.deploy(`spin-${runtime}`, runtime, SPIN[runtime], { cpuMs: 150, timeoutMs: 20_000 });
      await containers.deploy(`fill-${runtime}`, runtime, FILL[runtime], {
        memoryMb: 128,
        timeoutMs: 20_000,
      });
      await containers.deploy(`work-${runtime}`, runtime, WORK[runtime]);
    }
  });
  afterAll(() => containers.close());

  it.each(RUNTIMES)('of %s are stopped soon after their CPU time is over', async (runtime) => {
    const { receipt } = await containers.invoke(`spin-${runtime}`);
    expect(receipt.error?.code).toBe('cpu_limit');
    expect(receipt.limit).toMatchObject({ kind: 'cpuMs', configured: 150 });
    expect(receipt.limit?.observed).toBeGreaterThanOrEqual(150);
    const handlerCpuMs = receipt.usage.cpuMs - receipt.usage.initCpuMs;
    expect(handlerCpuMs).toBeGreaterThanOrEqual(150);
    // How late the meter looks is the machine's; without a limit it would spin for twenty seconds.
    expect(handlerCpuMs).toBeLessThan(2_000);
  });

  it.each(RUNTIMES)('of %s are billed what they used, as they see it themselves', async (runtime) => {
    await containers.result(`work-${runtime}`, { ms: 1 });
    const { result, receipt } = await containers.invoke(`work-${runtime}`, { ms: 200 });
    expect(receipt).toMatchObject({ status: 'succeeded', start: 'code', usage: { meter: 'cgroup' } });
    const own = result as number;
    expect(receipt.usage.cpuMs).toBeGreaterThanOrEqual(own);
    expect(receipt.usage.cpuMs).toBeLessThan(own + 30);
  });

  it.each(RUNTIMES)('of %s have the most memory that they held on their receipt', async (runtime) => {
    await containers.result(`fill-${runtime}`);
    const full = await containers.invoke(`fill-${runtime}`, { mb: 60 });
    expect(full).toMatchObject({ status: 'succeeded', result: 60 });
    expect(full.receipt.usage.maxMemoryMb).toBeGreaterThan(60);
    expect(full.receipt.usage.maxMemoryMb).toBeLessThanOrEqual(128);
    if (runtime !== 'python3') return;
    // Python gives a large block back at once: the peak is the next call's own.
    const empty = await containers.invoke(`fill-${runtime}`);
    expect(empty.receipt.usage.maxMemoryMb).toBeLessThan(60);
  });

  it.each([
    ['nodejs24', 64, 160],
    ['python3', 100, 128],
  ] as const)('of %s run with %i MB of 128, and are stopped at %i', async (runtime, below, past) => {
    for (let round = 0; round < 2; round += 1) {
      expect(await containers.result(`fill-${runtime}`, { mb: below })).toBe(below);
      const { receipt } = await containers.invoke(`fill-${runtime}`, { mb: past });
      expect(receipt.error?.code).toBe('memory_limit');
      expect(receipt.limit).toMatchObject({ kind: 'memoryMb', configured: 128 });
    }
  });
});

await describeContainers('with the engine’s statistics', ['nodejs24', 'python3', 'provided'], () => {
  it('receipts say so, and CPU time and its limit are about right', async () => {
    const containers = await openContainers({ metering: 'stats' });
    for (const runtime of RUNTIMES) {
      await containers.deploy('work', runtime, WORK[runtime]);
      await containers.result('work', { ms: 1 });
      const { result, receipt } = await containers.invoke('work', { ms: 200 });
      expect(receipt.usage.meter).toBe('stats');
      expect(receipt.usage.cpuMs).toBeGreaterThan((result as number) - 30);
      expect(receipt.usage.cpuMs).toBeLessThan((result as number) + 60);
      await containers.deploy('spin', runtime, SPIN[runtime], { cpuMs: 150, timeoutMs: 20_000 });
      const { error, usage } = (await containers.invoke('spin')).receipt;
      expect(error?.code).toBe('cpu_limit');
      expect(usage.cpuMs).toBeGreaterThan(150);
      // Engines collect once a second, and some answer at the next collection only: the limit is seen as late as that.
      expect(usage.cpuMs).toBeLessThan(3_500);
    }
    await containers.close();
  });
});
