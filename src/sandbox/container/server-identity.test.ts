import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../ports/random.ts';
import { serverIdentity } from './server-identity.ts';

const ELSEWHERE = `
import { serverIdentity } from ${JSON.stringify(new URL('./server-identity.ts', import.meta.url).href)};
console.log((await serverIdentity(null, { uuid: () => 'x' })).owner);`;

const namespaces = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
const elsewhere = (): string | null => {
  const command = [...namespaces, process.execPath, '--input-type=module', '--eval', ELSEWHERE];
  try {
    return execFileSync('unshare', command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
};

describe('the owner of containers', () => {
  // Not every machine lets a process have namespaces of its own.
  it.skipIf(elsewhere() === null)(
    'of a server that keeps nothing is another one where its process cannot be seen',
    async () => {
      const { owner } = await serverIdentity(null, systemRandom);
      expect((await serverIdentity(null, systemRandom)).owner).toBe(owner);
      expect(owner.split('-memory-')[0]).not.toBe(elsewhere()?.split('-memory-')[0]);
    },
  );
});
