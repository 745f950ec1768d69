/**
 * A ledger on a disk that is really full: a tmpfs of half a megabyte, in a mount namespace that ends with its process.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-full-ledger-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ENTER =
  'exec unshare --user --map-root-user --mount sh -c \'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"\' "$0" "$@"';

const onSmallDisk = (command: string, ...args: readonly string[]) =>
  spawnSync('sh', ['-c', ENTER, folder, command, ...args], { encoding: 'utf8' });

/** Runs in the namespace; prints what it saw as one JSON object. */
const script = (): string => `
  import { rmSync, writeFileSync } from 'node:fs';
  import { LedgerStore } from '${new URL('./ledger-store.ts', import.meta.url)}';
  import { Ledger } from '${new URL('./ledger.ts', import.meta.url)}';
  import { finished, START_MS } from '${new URL('./testing.ts', import.meta.url)}';
  import { ManualClock } from '${new URL('../ports/manual-clock.ts', import.meta.url)}';
  const disk = ${JSON.stringify(folder)};
  const clock = new ManualClock(START_MS);
  const settings = { durability: 'batched', flushIntervalMs: 10, batchRows: 100, maxPending: 50, maxReceipts: 1e6, maxReceiptDays: 90, maxSumDays: 400 };
  const open = () => {
    const store = new LedgerStore(disk + '/ledger.db', { busyTimeoutMs: 0 });
    return { store, ledger: new Ledger({ clock, store, settings, onFault: () => {} }) };
  };
  const codeOf = (work) => Promise.resolve().then(work).then(() => 'done', ({ code }) => code);
  const fill = () => {
    for (let bytes = 65536; bytes >= 1; bytes = Math.floor(bytes / 2))
      try { for (;;) writeFileSync(disk + '/filler', Buffer.alloc(bytes), { flag: 'a' }); } catch {}
  };
  const { store, ledger } = open();
  ledger.add(finished('before'));
  await clock.advance(10);
  fill();
  let added = 0;
  // What the journal still has room for is written; then the disk refuses.
  while ((await codeOf(() => ledger.refuseWhenFull())) === 'done' && added < 100000) {
    ledger.add(finished('i' + added));
    added += 1;
    await clock.advance(20);
  }
  const seen = {
    refused: await codeOf(() => ledger.refuseWhenFull()),
    flushed: await codeOf(() => ledger.flush()),
    waiting: ledger.counts.pending,
    failures: ledger.counts.writeFailures > 0,
    read: store.receipt('before') !== null,
  };
  rmSync(disk + '/filler');
  await clock.advance(10_000);
  seen.afterwards = { ...ledger.counts, writeFailures: 0, removed: 0, stored: ledger.counts.stored - added };
  ledger.close();
  const again = open();
  seen.all = Array.from({ length: added }, (_, at) => again.store.receipt('i' + at)).every((row) => row !== null);
  seen.sum = again.store.sums('acme', 1e6, { day: 0, name: '', version: '' }, 10).map(({ invocations }) => Number(invocations) - added);
  again.ledger.close();
  console.log(JSON.stringify(seen));
`;

it('refuses work when too many receipts wait for a full disk, and has written every one when there is space', (context) => {
  // Mounting needs user namespaces, which some containers and kernels refuse to everyone.
  if (onSmallDisk('true').status !== 0) context.skip('this machine lets nobody mount a tmpfs of their own');
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script()];
  const { stdout, stderr } = onSmallDisk(process.execPath, ...args);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    ...{ refused: 'ledger_unavailable', flushed: 'storage_full', waiting: 50, failures: true, read: true },
    afterwards: { pending: 0, stored: 1, duplicates: 0, writeFailures: 0, removed: 0 },
    ...{ all: true, sum: [1] },
  });
}, 60_000);
