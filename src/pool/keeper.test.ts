import { describe, expect, it } from 'vitest';
import { createBench, place, runOn } from './fixture.ts';

describe('the keeper', () => {
  it('boots nothing again in a sandbox whose runtimes have had their time', async () => {
    const { pool, scheduler, clock } = await createBench({
      settings: { runtimeIdleMs: 20_000, sandboxIdleMs: 60_000 },
    });
    const lease = await scheduler.acquire(place('f', { idleTimeoutMs: 5_000 }));
    const running = runOn(lease, 'echo');
    await clock.advance(30_000);
    expect(await running).toBe('ok');
    const seen = new Set<string>();
    for (let step = 0; step < 200; step += 1) {
      await clock.advance(1);
      const mine = pool.view().sandboxes.find(({ tenant }) => tenant === 'a');
      for (const { state, layer } of mine?.instances ?? []) seen.add(`${layer} ${state}`);
    }
    expect([...seen]).toEqual([]);
  });

  it('gives up nothing that is loaded because another instance still starts', async () => {
    const { pool, scheduler, clock } = await createBench({ capacity: 1, settings: { pristine: 2 } });
    for (const name of ['f', 'g', 'h']) {
      const running = (async () => runOn(await scheduler.acquire(place(name)), 'echo'))();
      // At each step one more instance may have come for it, or for nobody.
      for (let step = 0; step < 60; step += 1) {
        await clock.advance(10);
        if (pool.view().ready.code > 0) break;
      }
      expect(await running).toBe('ok');
      await clock.advance(5);
      expect(
        pool
          .view()
          .sandboxes.flatMap(({ instances }) => instances)
          .map((one) => one.function),
      ).toContain(name);
    }
  });
});
