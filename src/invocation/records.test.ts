import { describe, expect, it } from 'vitest';
import type { Finished } from '../billing/receipts.ts';
import { type LogLine, NO_NETWORK } from '../core/receipt.ts';
import type { FunctionRecord } from '../core/spec.ts';
import { Records } from './records.ts';

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
