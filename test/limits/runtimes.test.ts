/** Which runtimes an executor has, as `container.mode` and the machine decide, and the least memory it needs. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

describe('a budget of memory that holds no sandbox', () => {
  it('is refused before anything is opened, with the value and the least', async () => {
    const dataDir = join(tmpdir(), `strata-no-budget-${process.pid}`);
    await expect(
      createExecutor({ dataDir, container: { mode: 'off' }, machine: { memoryMb: 63 } }),
    ).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(/machine\.memoryMb is 63, .* at least 64, or 0 for 80 %/),
    });
    expect(existsSync(dataDir)).toBe(false);
  });

  it('is one megabyte less than the least that is taken', async () => {
    const machine = { memoryMb: 64 };
    const executor = await createExecutor({ dataDir: ':memory:', container: { mode: 'off' }, machine });
    expect(executor.pools().limits?.memoryMb.budget).toBe(64);
    await executor.close();
  });
});
