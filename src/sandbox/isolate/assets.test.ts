import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { processName } from '../../ports/process-label.ts';
import { sweepAssets } from './assets.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

describe('sweepAssets', () => {
  it('removes the folders of servers that have ended, and none of whose server nothing can be told', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'strata-assets-'));
    folders.push(parent);
    const namespace = processName().split('-')[2];
    const left = [
      'other',
      'strata-host-x',
      'strata-host-999999999-1-1-aBcDeF',
      `strata-host-${processName()}-aBcDeF`,
    ];
    for (const name of [...left, `strata-host-999999999-1-${namespace}-aBcDeF`])
      await mkdir(join(parent, name));
    await sweepAssets(parent);
    expect((await readdir(parent)).sort()).toEqual(left.sort());
  });
});
