/**
 * Containers that end while the engine is slow to remove them.
 */
import { expect, it } from 'vitest';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { openSandboxes } from './sandboxes.ts';

await describeContainers('a container that ends by itself', ['python3'], () => {
  it('is no fault of the function in it, however long its removal takes, and is removed before the close is over', async () => {
    const real = dockerEngine(ENGINE_HOST);
    let letGo: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const engine = { ...real, remove: (id: string) => slow.then(() => real.remove(id)) };
    const sandboxes = await openSandboxes('python3', { engine });
    const served = await sandboxes.serve('import time\ndef handler(e, c):\n  time.sleep(60)\n');
    const [id = ''] = await sandboxes.containers();
    const invoked = served.invoke({}, { timeoutMs: 10_000 });
    await real.remove(id);
    expect((await invoked).failure?.code).toBe('sandbox_lost');
    expect(await served.carrier.exited).toMatchObject({ cause: null, proven: false });
    const closed = sandboxes.close();
    letGo();
    await closed;
    expect(await sandboxes.containers()).toEqual([]);
  });
});
