/**
 * A disk that is really full: a tmpfs of half a megabyte, in a mount namespace that ends with its process.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-full-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ENTER =
  'exec unshare --user --map-root-user --mount sh -c \'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"\' "$0" "$@"';

const onSmallDisk = (command: string, ...args: readonly string[]) =>
  spawnSync('sh', ['-c', ENTER, folder, command, ...args], { encoding: 'utf8' });

/** Runs in the namespace; prints what it saw as one JSON object. */
const script = (): string => `
  import { rmSync, writeFileSync } from 'node:fs';
  import { openRegistry } from '${new URL('./registry.ts', import.meta.url)}';
  import { systemClock } from '${new URL('../ports/clock.ts', import.meta.url)}';
  import { systemRandom } from '${new URL('../ports/random.ts', import.meta.url)}';
  const disk = ${JSON.stringify(folder)};
  const open = (name) => openRegistry({
    dataDir: disk + '/' + name, clock: systemClock, random: systemRandom, limits: { codeMaxBytes: 1000, containerCodeMaxBytes: 1000 }, busyTimeoutMs: 0,
  });
  const codeOf = (work) => Promise.resolve().then(work).then(() => 'done', ({ code, message }) => code + ' ' + message);
  const fill = () => {
    for (let bytes = 65536; bytes >= 1; bytes = Math.floor(bytes / 2))
      try { for (;;) writeFileSync(disk + '/filler', Buffer.alloc(bytes), { flag: 'a' }); } catch {}
  };
  const spec = { runtime: 'isolate', code: { source: '1' } };
  const first = await open('data');
  await first.deploy('t', 'kept', spec);
  first.close();
  fill();
  const full = await open('data');
  const seen = {
    kept: [...await full.codeFiles(full.resolve('t', 'kept'))].map(([path, { bytes }]) => [path, Buffer.from(bytes).toString()]),
    sameCode: await codeOf(() => full.deploy('t', 'new', spec)),
    newCode: await codeOf(() => full.deploy('t', 'new', { ...spec, code: { source: '2' } })),
    deleted: await codeOf(() => full.delete('t', 'kept')),
    second: await codeOf(() => open('data')),
    fresh: await codeOf(() => open('fresh')),
    stillThere: full.list({ tenant: 't' }).functions.map(({ name }) => name),
  };
  rmSync(disk + '/filler');
  seen.afterwards = await codeOf(() => full.deploy('t', 'new', { ...spec, code: { source: '2' } }));
  full.close();
  const last = await open('data');
  seen.last = last.list({ tenant: 't' }).functions.map(({ name }) => name);
  last.close();
  console.log(JSON.stringify(seen));
`;

it('serves what exists from a full disk, refuses changes as storage_full, and takes them once there is space', (context) => {
  // Mounting needs user namespaces, which some containers and kernels refuse to everyone.
  if (onSmallDisk('true').status !== 0) context.skip('this machine lets nobody mount a tmpfs of their own');
  const { stdout, stderr } = onSmallDisk(process.execPath, '--input-type=module', '-e', script());
  expect(stderr).toBe('');
  const full = expect.stringMatching(
    /^storage_full The disk is full: .* Free space in .*; nothing is lost\.$/,
  );
  expect(JSON.parse(stdout)).toEqual({
    kept: [['index.js', '1']],
    ...{ sameCode: full, newCode: full, deleted: full, fresh: full },
    second: expect.stringMatching(/^conflict /),
    stillThere: ['kept'],
    afterwards: 'done',
    last: ['kept', 'new'],
  });
});
