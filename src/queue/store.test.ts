import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StrataError } from '../core/errors.ts';
import type { AcceptOperation } from './operations.ts';
import { openInlineStore, openThreadStore, type QueueStore } from './store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-queue-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (): string => join(folder, 'queue.db');

const accept = (id: string, more: Partial<AcceptOperation> = {}): AcceptOperation => ({
  ...{ op: 'accept', id, tenant: 'acme', function: 'f', qualifier: null, policy: '{}', hops: 0, atMs: 1 },
  ...{ event: new Uint8Array([123, 125]), key: null, digest: null, relayOf: null },
  ...more,
});

const PLACES: readonly (readonly [string, (path: string) => Promise<QueueStore> | QueueStore])[] = [
  ['in a thread', openThreadStore],
  ['in this one', openInlineStore],
];

describe.each(PLACES)('a database %s', (_where, open) => {
  it('has what was applied when it is opened again, for its owner alone', async () => {
    const first = await open(file());
    await first.apply([accept('a'), accept('b')]);
    await first.close();
    const second = await open(file());
    expect((await second.live(null, 10)).map(({ id }) => id)).toEqual(['a', 'b']);
    expect((await second.live({ id: 'a' }, 10)).map(({ id }) => id)).toEqual(['b']);
    expect(Buffer.from((await second.event('a')) ?? []).toString()).toBe('{}');
    await second.close();
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it('refuses what cannot be applied alone, and applies the rest', async () => {
    const store = await open(file());
    await store.apply([accept('a')]);
    const outcomes = await store.apply([accept('b'), accept('a'), accept('c')]);
    expect(outcomes.map((outcome) => (outcome as Partial<StrataError>).code)).toEqual([
      ...[undefined, 'internal_error', undefined],
    ]);
    expect((await store.live(null, 10)).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    await store.close();
  });

  it('gives a key to one event, and tells whose it is', async () => {
    const store = await open(file());
    const digest = new Uint8Array([1, 2]);
    await store.apply([accept('a', { key: 'k', digest })]);
    const [outcome] = await store.apply([accept('b', { key: 'k', digest })]);
    expect(outcome).toMatchObject({ existing: { id: 'a' } });
    expect(await store.get('b')).toBeNull();
    await store.close();
  });

  it('keeps the secret that it made first', async () => {
    const store = await open(file());
    const first = await store.secret('webhooks', new Uint8Array([1]));
    expect([...(await store.secret('webhooks', new Uint8Array([2])))]).toEqual([...first]);
    await store.close();
  });

  it('that is no database is refused with what to do, and left as it was', async () => {
    writeFileSync(file(), 'not a database, but long enough to be taken for the head of one'.repeat(20));
    const before = readFileSync(file());
    const refusal = await Promise.resolve()
      .then(() => open(file()))
      .then(
        () => null,
        (error: StrataError) => error,
      );
    expect(refusal).toMatchObject({ code: 'internal_error', message: expect.stringMatching(/backup/) });
    expect(readFileSync(file())).toEqual(before);
  });
});

describe('a database in a thread', () => {
  it('refuses what comes after its end', async () => {
    const store = await openThreadStore(file());
    await store.close();
    await expect(store.live(null, 1)).rejects.toMatchObject({ code: 'internal_error' });
  });
});
