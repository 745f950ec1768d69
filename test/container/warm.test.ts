/**
 * Pools of containers that warm themselves, refill behind those who take, and stay within their number.
 */
import { expect, it } from 'vitest';
import { eventually } from '../limits/bench.ts';
import { describeContainers } from './availability.ts';
import { openContainers } from './executors.ts';

const LIMIT_MS = 20_000;
const WHERE = 'import socket\ndef handler(event, context): return socket.gethostname()\n';
const RUNTIMES = ['nodejs24', 'python3', 'provided'] as const;

await describeContainers('a pool of containers', RUNTIMES, () => {
  it('is warm when its server is ready, and refills in the background', async () => {
    const containers = await openContainers({
      ...{ pristine: 2, pristineRuntimes: 1, maxPristine: 2, refillPerSecond: 50 },
    });
    const pristine = (runtime: (typeof RUNTIMES)[number]): readonly string[] =>
      containers
        .pool(runtime)
        .sandboxes.filter(({ tenant, state }) => tenant === null && state === 'ready')
        .map(({ instances }) => instances.map(({ layer, state }) => `${layer} ${state}`).join())
        .sort();
    // The settings ask for two, one of them booted; where memory is plenty the policy may have both booted.
    const isWarm = (runtime: (typeof RUNTIMES)[number]): boolean =>
      pristine(runtime).length === 2 && pristine(runtime).includes('runtime free');
    for (const runtime of RUNTIMES) expect(isWarm(runtime)).toBe(true);
    const seen = new Set<string>();
    for (const tenant of ['ada', 'bob', 'eve']) {
      await containers.deploy('where', 'python3', WHERE, { tenant });
      const { result, receipt } = await containers.invoke('where', {}, { tenant });
      expect(receipt.start).toBe('runtime');
      seen.add(String(result));
      expect(await eventually(LIMIT_MS, () => isWarm('python3'))).toBe(true);
    }
    expect(seen.size).toBe(3);
    await containers.close();
  });

  it('that is empty starts on demand', async () => {
    const containers = await openContainers();
    expect(containers.pool('python3').sandboxes).toEqual([]);
    await containers.deploy('where', 'python3', WHERE);
    const { receipt } = await containers.invoke('where');
    expect(receipt).toMatchObject({ start: 'none', status: 'succeeded' });
    expect(receipt.phasesMs.provision).toBeGreaterThan(0);
    await containers.close();
  });

  it('never has more containers than it may, whoever asks', async () => {
    const containers = await openContainers({ maxContainers: 3, startParallelism: 3 });
    const tenants = ['ada', 'bob', 'eve', 'joe', 'kim'];
    for (const tenant of tenants)
      await containers.deploy('where', 'python3', WHERE, { tenant, timeoutMs: 10_000 });
    let done = false;
    const burst = Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        containers.invoke('where', {}, { tenant: tenants[index % tenants.length] ?? '' }),
      ),
    ).finally(() => {
      done = true;
    });
    let most = 0;
    while (!done)
      most = Math.max(most, (await containers.listed()).filter(({ state }) => state === 'running').length);
    const answers = await burst;
    expect(answers.map(({ receipt }) => receipt.error?.code ?? null).filter((code) => code !== null)).toEqual(
      [],
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3);
    await containers.close();
  });
});
