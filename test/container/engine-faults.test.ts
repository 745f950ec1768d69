/**
 * Engines that are absent, lack an image, restart, or die: what is served meanwhile, and what comes back by itself.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor } from '../../src/index.ts';
import { eventually } from '../limits/bench.ts';
import { leftOut, missingFor } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';
import { noPrivateEngine, openPrivateEngine, type PrivateEngine } from './private-engine.ts';

const NOWHERE = 'unix:///nonexistent/docker.sock';
const ECHO = { nodejs24: 'exports.handler = (event) => event;', python3: 'def handler(e, c): return e\n' };
const LIMIT_MS = 30_000;

describe('without an engine', () => {
  it('isolates are served, and a container function is refused at deploy with the reason and the remedy', async () => {
    const containers = await openContainers({ mode: 'auto' }, NOWHERE);
    const code = { source: ECHO.nodejs24 };
    await containers.executor.deploy({ name: 'echo', runtime: 'isolate', code });
    expect(await containers.result('echo', { is: 'served' })).toEqual({ is: 'served' });
    for (const runtime of ['nodejs24', 'python3', 'provided'] as const) {
      await expect(containers.deploy('echo', runtime, '')).rejects.toMatchObject({
        code: 'runtime_unavailable',
        message: expect.stringMatching(/No Docker engine answers at .*nonexistent.*DOCKER_HOST/s),
      });
    }
    const views = containers.executor.runtimes().filter(({ available }) => !available);
    expect(views.map(({ runtime }) => runtime).sort()).toEqual(['nodejs24', 'provided', 'python3']);
    await containers.close();
  });

  it('a server that requires containers does not start', async () => {
    const container = { mode: 'required', engineHost: NOWHERE } as const;
    await expect(createExecutor({ dataDir: ':memory:', container })).rejects.toMatchObject({
      code: 'runtime_unavailable',
    });
  });
});

const missing = noPrivateEngine() ?? (await missingFor(['python3']));
const name = "an engine of the test's own";
// Where containers have to be tested, this fails instead of being left out; elsewhere the name says what is missing.
describe.skipIf(leftOut(missing))(missing === null ? name : `${name} (skipped: ${missing})`, () => {
  let engine: PrivateEngine;
  let containers: Containers;
  beforeAll(async () => {
    engine = await openPrivateEngine();
  }, 60_000);
  afterAll(async () => {
    await containers?.close();
    await engine.close();
  });

  const again = async (event: unknown): Promise<boolean> => {
    const { status, result } = await containers
      .invoke('echo', event)
      .catch(() => ({ status: 'refused', result: null }));
    return status === 'succeeded' && JSON.stringify(result) === JSON.stringify(event);
  };

  it('without images serves isolates, and says which image is missing and how to build it', async () => {
    const bare = await openContainers({ mode: 'auto' }, engine.host);
    await expect(bare.deploy('echo', 'python3', ECHO.python3)).rejects.toMatchObject({
      code: 'runtime_unavailable',
      message: expect.stringMatching(/strata-python3:\w+ is missing.*strata images build python3/),
    });
    await bare.close();
    await expect(openContainers({ mode: 'required' }, engine.host)).rejects.toMatchObject({
      code: 'runtime_unavailable',
    });
  });

  it('that restarts loses what ran in it, and service comes back by itself', async () => {
    await engine.load(['python3']);
    containers = await openContainers({ mode: 'auto', pristine: 1 }, engine.host);
    await containers.deploy('echo', 'python3', ECHO.python3);
    expect(await again({ n: 1 })).toBe(true);
    await engine.stop('SIGTERM');
    await engine.start();
    const back = async () =>
      (await again({ n: 2 })) && (await containers.invoke('echo')).receipt.start === 'code';
    expect(await soon(back)).toBe(true);
    expect(await eventually(LIMIT_MS, () => containers.pool('python3').ready.runtime > 0)).toBe(true);
  });

  it('that dies keeps serving what is warm, and starts again when it is back', async () => {
    expect(await again({ n: 3 })).toBe(true);
    await engine.stop('SIGKILL');
    // The way to the agent does not lead through the engine.
    expect(await containers.result('echo', { n: 4 })).toEqual({ n: 4 });
    await engine.start();
    expect(await soon(() => again({ n: 5 }))).toBe(true);
  });

  it('that is gone makes starts fail with a reason, and leaves nothing when the server closes', async () => {
    await engine.stop('SIGKILL');
    const answer = containers.invoke('echo', {}, { requireStart: 'none' });
    await expect(answer).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringMatching(/engine could not/),
    });
    await engine.start();
    expect(await soon(() => again({ n: 6 }))).toBe(true);
    await containers.executor.close();
    expect(await containers.listed()).toEqual([]);
  });
});

const soon = async (came: () => Promise<boolean>): Promise<boolean> => {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await came())) {
    if (performance.now() > endMs) return false;
    await eventually(20, () => false);
  }
  return true;
};
