import { describe, expect, it } from 'vitest';
import type { Finished } from '../billing/receipts.ts';
import { type LogLine, NO_NETWORK } from '../core/receipt.ts';
import type { FunctionRecord } from '../core/spec.ts';
import { seededRandom } from '../ports/random.ts';
import { LogCursors } from './log-cursor.ts';
import { type LogLines, Records } from './records.ts';

const functionOf = (tenant: string, name: string): FunctionRecord => ({
  ...{ id: 'f1', tenant, name, version: '$LATEST', revision: 'r1', runtime: 'isolate' },
  ...{ handler: 'index.handler', memoryMb: 128, timeoutMs: 3_000, cpuMs: 1_000, processModel: 'resident' },
  ...{ concurrency: 1, initializer: null, initTimeoutMs: 10_000, minInstances: 0, maxInstances: 50 },
  reservedConcurrency: 0,
  async: {
    ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
    ...{ onSuccess: null, onFailure: null },
  },
  ...{
    idleTimeoutMs: 600_000,
    env: {},
    labels: {},
    annotations: {},
    description: '',
    enabled: true,
    network: { allow: [] },
  },
  auth: 'key',
  ...{ codeDigest: '00', codeBytes: 10, createdAt: '', updatedAt: '' },
});

const line = (message: string): LogLine => ({ level: 'info', timeMs: 0, message });

const finished = (id: number, logs: readonly LogLine[] = [], tenant = 'acme', name = 'hello'): Finished => ({
  ...{
    invocationId: `i${id}`,
    function: functionOf(tenant, name),
    start: 'code',
    meter: 'isolate',
    phases: [],
  },
  ...{ initCpuNs: 0, handlerCpuNs: 0, maxMemoryBytes: null, failure: null, startedAtMs: 0 },
  ...{ logs, logTruncated: false, network: NO_NETWORK },
});

const known = (records: Records, count: number): Finished[] =>
  Array.from({ length: count }, (_, id) => {
    return records.find(`i${id}`, 'acme');
  }).filter((entry) => entry !== null);

describe('following a log', () => {
  const messagesOf = ({ logs }: LogLines): string[] => logs.map(({ message }) => message);

  it('gives every line once, in order, however small the pages', () => {
    const records = new Records({ maxInvocations: 100, maxLogLines: 10 });
    const seen: string[] = [];
    let at = records.logEnd;
    for (let id = 0; id < 20; id += 1) {
      records.add(finished(id, [line(`${id}a`), line(`${id}b`), line(`${id}c`)]));
      records.add(finished(100 + id, [line('of another')], 'other'));
      const page = records.logsFrom('acme', 'hello', at, 2);
      expect(page.gap).toBe(false);
      seen.push(...messagesOf(page));
      at = page.next;
    }
    const rest = records.logsFrom('acme', 'hello', at, 1_000);
    expect(rest).toMatchObject({ gap: false, more: true });
    seen.push(...messagesOf(rest), ...messagesOf(records.logsFrom('acme', 'hello', rest.next, 1_000)));
    const all = Array.from({ length: 20 }, (_, id) => [`${id}a`, `${id}b`, `${id}c`]).flat();
    expect(seen).toEqual(all);
  });

  it('says when invocations or logs were forgotten before they were asked for', () => {
    const records = new Records({ maxInvocations: 3, maxLogLines: 10 });
    const start = records.logEnd;
    for (let id = 0; id < 3; id += 1) records.add(finished(id, [line(`${id}`)]));
    expect(records.logsFrom('acme', 'hello', start, 10).gap).toBe(false);
    records.add(finished(3, [line('3')]));
    const page = records.logsFrom('acme', 'hello', start, 10);
    expect(page).toMatchObject({ gap: true, more: false });
    expect(messagesOf(page)).toEqual(['1', '2', '3']);
    expect(messagesOf(records.logsFrom('acme', 'hello', null, 10))).toEqual(['1', '2', '3']);
    records.add({ ...finished(4), logTruncated: true });
    expect(records.logsFrom('acme', 'hello', page.next, 10)).toMatchObject({ gap: true, logs: [] });
  });

  it('gives no more than a million characters at once, and at least a line', () => {
    const records = new Records({ maxInvocations: 100, maxLogLines: 1_000 });
    const long = line('x'.repeat(600 * 1024));
    for (let id = 0; id < 3; id += 1) records.add(finished(id, [long]));
    const page = records.logsFrom('acme', 'hello', { invocation: 0, line: 0 }, 1_000);
    expect([page.logs.length, page.more]).toEqual([2, true]);
    expect(records.logsFrom('acme', 'hello', page.next, 1_000)).toMatchObject({ more: false });
  });

  it('takes what no cursor of this start is for no place', () => {
    const cursors = new LogCursors(seededRandom(1));
    const place = { invocation: 2 ** 40 + 1, line: 70_000 };
    expect(cursors.placeOf(cursors.textOf(place))).toEqual(place);
    expect(cursors.textOf(place)).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(new LogCursors(seededRandom(2)).placeOf(cursors.textOf(place))).toBeNull();
    for (const text of ['', 'A'.repeat(22), 'A'.repeat(44), '!']) expect(cursors.placeOf(text)).toBeNull();
  });
});

describe('records', () => {
  it('keep the newest, and forget the oldest first', () => {
    const records = new Records({ maxInvocations: 3, maxLogLines: 10 });
    for (let id = 0; id < 5; id += 1) records.add(finished(id));
    expect(known(records, 5).map(({ invocationId }) => invocationId)).toEqual(['i2', 'i3', 'i4']);
    expect(records.find('i1', 'acme')).toBeNull();
    expect(records.unknown('i1')).toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/newest 3 are kept/),
    });
  });

  it('keep none when none are to be kept', () => {
    const records = new Records({ maxInvocations: 0, maxLogLines: 10 });
    records.add(finished(0));
    expect(known(records, 1)).toEqual([]);
    expect(records.logs('acme', 'hello', 10)).toEqual([]);
  });

  it('show a tenant nothing of another', () => {
    const records = new Records({ maxInvocations: 3, maxLogLines: 10 });
    records.add(finished(0, [line('secret')]));
    expect(records.find('i0', 'other')).toBeNull();
    expect(records.logs('other', 'hello', 10)).toEqual([]);
    expect(records.logs('acme', 'another', 10)).toEqual([]);
  });

  it('give the newest lines, the oldest first, over several invocations', () => {
    const records = new Records({ maxInvocations: 2, maxLogLines: 3 });
    for (let id = 0; id < 3; id += 1) records.add(finished(id, [line(`${id}a`), line(`${id}b`)]));
    const messages = (limit: number) => records.logs('acme', 'hello', limit).map(({ message }) => message);
    expect(messages(2)).toEqual(['2a', '2b']);
    expect(messages(10)).toEqual(['1b', '2a', '2b']);
  });

  it('give up the logs of who has more than its part first, and never those of others for a flood', () => {
    const records = new Records({ maxInvocations: 100_000, maxLogLines: 10 });
    records.add(finished(0, [line('small')], 'acme'));
    records.add(finished(1, [line('x'.repeat(4 * 1024 * 1024))], 'other'));
    const flood = [line('x'.repeat(60_000))];
    for (let id = 2; id < 5_000; id += 1) records.add(finished(id, flood, 'flood'));
    expect(records.find('i0', 'acme')?.logs).toHaveLength(1);
    expect(records.find('i1', 'other')?.logs).toHaveLength(1);
    expect(records.find('i2', 'flood')).toMatchObject({ logs: [], logTruncated: true });
    expect(records.find('i4999', 'flood')?.logs).toHaveLength(1);
  });

  it('keep their account of logs over many rounds of the ring', () => {
    const records = new Records({ maxInvocations: 7, maxLogLines: 10 });
    const tenants = ['a', 'b', 'c'];
    for (let id = 0; id < 10_000; id += 1) {
      const chars = (id * 7_919) % (9 * 1024 * 1024);
      records.add(finished(id, id % 4 === 0 ? [] : [line('x'.repeat(chars))], tenants[(id * id) % 3]));
    }
    let chars = 0;
    for (let id = 9_993; id < 10_000; id += 1)
      for (const { message } of records.find(`i${id}`, tenants[(id * id) % 3] ?? '')?.logs ?? [])
        chars += message.length;
    expect(chars).toBeGreaterThan(0);
    expect(chars).toBeLessThanOrEqual(32 * 1024 * 1024);
  });

  it('give up the logs of the oldest when all together are too long, and say so', () => {
    const records = new Records({ maxInvocations: 100, maxLogLines: 10 });
    const megabytes = [line('x'.repeat(4 * 1024 * 1024 - 64))];
    for (let id = 0; id < 20; id += 1) records.add(finished(id, megabytes));
    const kept = known(records, 20);
    expect(kept).toHaveLength(20);
    expect(kept.map(({ logs }) => logs.length)).toEqual([...Array(12).fill(0), ...Array(8).fill(1)]);
    expect(kept.map(({ logTruncated }) => logTruncated)).toEqual([
      ...Array(12).fill(true),
      ...Array(8).fill(false),
    ]);
  });

  it('bound lines that carry no characters: each still is an object in memory', () => {
    const records = new Records({ maxInvocations: 10_000, maxLogLines: 10 });
    // As many as the default log limit lets one invocation write; shared here, each its own in a server.
    const empty = Array.from({ length: 65_536 }, () => line(''));
    for (let id = 0; id < 1_000; id += 1) records.add(finished(id, empty));
    const lines = known(records, 1_000).reduce((sum, { logs }) => sum + logs.length, 0);
    expect(lines).toBeLessThanOrEqual(4 * 1024 * 1024);
  });
});
