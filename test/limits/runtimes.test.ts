/** Which runtimes an executor has, as `container.mode` and the machine decide. */
import { describe, expect, it } from 'vitest';
import { createExecutor } from '../../src/index.ts';

const NO_ENGINE = 'unix:///nonexistent/engine.sock';

describe('an executor', () => {
  it('without containers says so to whoever deploys for one', async () => {
    const executor = await createExecutor({ dataDir: ':memory:', container: { mode: 'off' } });
    try {
      const served = executor.runtimes().filter(({ available }) => available);
      expect(served.map(({ runtime }) => runtime)).toEqual(['isolate']);
      const python = { name: 'f', runtime: 'python3', code: { source: '' } } as const;
      await expect(executor.deploy(python)).rejects.toMatchObject({
        code: 'runtime_unavailable',
        message: 'The runtime python3 is not served here: container.mode is off.',
      });
      expect(Object.keys(executor.pools().tiers)).toEqual(['isolate']);
    } finally {
      await executor.close();
    }
  });

  it('serves isolates where no engine answers, unless containers are required', async () => {
    const dataDir = ':memory:';
    const executor = await createExecutor({ dataDir, container: { engineHost: NO_ENGINE } });
    expect(executor.runtimes().filter(({ available }) => available)).toHaveLength(1);
    await executor.close();
    const required = createExecutor({ dataDir, container: { mode: 'required', engineHost: NO_ENGINE } });
    await expect(required).rejects.toMatchObject({ code: 'runtime_unavailable' });
  });
});
