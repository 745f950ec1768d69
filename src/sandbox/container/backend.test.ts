import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../ports/clock.ts';
import { systemRandom } from '../../ports/random.ts';
import type { BackendEvents } from '../backend.ts';
import { containerBackend } from './backend.ts';
import type { ContainerEngine } from './engine.ts';
import { Ownership } from './ownership.ts';
import { Removals } from './removals.ts';
import { UserIds } from './user-ids.ts';

let runFolder: string;
beforeEach(async () => {
  runFolder = await mkdtemp(join(tmpdir(), 'strata-backend-'));
});
afterEach(() => rm(runFolder, { recursive: true, force: true }));

describe('a container that does not come up', () => {
  it('leaves nothing of the server taken when it cannot be removed either', async () => {
    const gone = (): Promise<never> => Promise.reject(new Error('the engine is gone'));
    const engine = { create: async () => 'c1', start: gone, remove: gone } as unknown as ContainerEngine;
    const left: string[] = [];
    const ownership = new Ownership(systemRandom, (fate) => void left.push(fate));
    const users = new UserIds(0);
    const faults: string[] = [];
    const backend = containerBackend({
      cpuShares: null,
      ...{ clock: systemClock, random: systemRandom, engine, runFolder, users, ownership },
      removals: new Removals(engine),
      confinement: { kind: 'docker', summary: '', gaps: [] },
      template: {
        ...{ runtime: 'python3', imageId: 'sha256:aa', ociRuntime: '', memoryMb: 64, pidsMax: 64, tmpMb: 1 },
        ...{ codeMb: 1, maxFrameBytes: 1e6, appArmor: false, labels: {} },
      },
      ...{ cpusFor: () => 1, kernelChecked: false, metering: 'auto', freezeAfterMs: 0 },
      ...{ resultMaxBytes: 1e6, logMaxBytes: 1e4, onFault: (message) => void faults.push(message) },
    });
    const start = backend.provision({} as BackendEvents, new AbortController().signal);
    await expect(start).rejects.toThrow('the engine is gone');
    expect(left).toEqual(['left']);
    expect(await readdir(runFolder)).toEqual([]);
    expect(Array.from({ length: 1_000 }, () => users.take())).toContain(20_000);
    expect(faults).toEqual(['a container that did not come up is left over']);
    await backend.close();
  });
});
