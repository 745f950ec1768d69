import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { IN_MEMORY } from '../ports/database.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { dayText } from './days.ts';
import { Ledger, type LedgerSettings } from './ledger.ts';
import { measuredOf, rowOf } from './ledger-row.ts';
import { LedgerStore } from './ledger-store.ts';
import { addTotals, NO_TOTALS, quantitiesOf, type Totals, totalsOf } from './quantities.ts';
import { type Finished, toReceipt } from './receipts.ts';
import { DAY_MS, FAILED, finished, START_MS } from './testing.ts';
import { LedgerUsage } from './usage.ts';

const SETTINGS: LedgerSettings = {
  ...{ durability: 'batched', flushIntervalMs: 100, batchRows: 4, maxPending: 10 },
  ...{ maxReceipts: 1_000, maxReceiptDays: 90, maxSumDays: 400 },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
const newPath = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-ledger-'));
  folders.push(folder);
  return join(folder, 'ledger.db');
};

const open = (path = IN_MEMORY, settings: Partial<LedgerSettings> = {}) => {
  const clock = new ManualClock(START_MS + DAY_MS / 2);
  const faults: string[] = [];
  const store = new LedgerStore(path);
  const ledger = new Ledger({
    ...{ clock, store, settings: { ...SETTINGS, ...settings } },
    onFault: (message) => faults.push(message),
  });
  const usage = new LedgerUsage({
    ...{ clock, ledger, store, tariff: 'cpu', prices: null, settleOperator: () => {} },
  });
  return { clock, store, ledger, usage, faults };
};

const totalOf = (one: Finished): Totals => {
  const { initCpuNs, handlerCpuNs, phases } = one;
  return totalsOf(quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb: one.function.memoryMb }));
};

/** Makes every write fail until it is told otherwise. */
const breakDisk = (store: LedgerStore) => {
  const write = store.write.bind(store);
  store.write = () => {
    throw new StrataError('storage_full', 'The disk is full.');
  };
  return () => {
    store.write = write;
  };
};

describe('a row', () => {
  const text = fc.string({ unit: 'binary', maxLength: 50 });
  const error = fc.record({ type: text, message: text, stack: text });
  const measured = fc.record({
    phases: fc.array(fc.double({ min: 0, max: 900_000, noNaN: true }), { minLength: 6, maxLength: 6 }),
    initCpuNs: fc.nat(),
    handlerCpuNs: fc.nat(),
    maxMemoryBytes: fc.option(fc.nat()),
    failure: fc.option(error.map((thrown) => ({ ...FAILED, error: thrown }))),
    startedAtMs: fc.integer({ min: 0, max: START_MS * 2 }),
    logTruncated: fc.boolean(),
  });

  it('gives the receipt that the measurement gives', () => {
    const { store } = open();
    fc.assert(
      fc.property(measured, fc.uuid(), (extra, id) => {
        const one = finished(id, extra);
        store.write([rowOf(one)], []);
        const record = store.receipt(id);
        if (record === null) throw new Error('it was not stored');
        expect(toReceipt(measuredOf(record), 'fc-2024')).toEqual(toReceipt(one, 'fc-2024'));
        expect(toReceipt(measuredOf(rowOf(one)), 'cpu')).toEqual(toReceipt(one, 'cpu'));
      }),
      { numRuns: 50 },
    );
    store.close();
  });

  it('keeps no log, no secret, and of long texts the beginning', () => {
    const long = 'x'.repeat(100_000);
    const row = rowOf(
      finished('i', {
        logs: [{ level: 'info', timeMs: 0, message: 'private' }],
        failure: { ...FAILED, detail: long, error: { type: long, message: long, stack: long } },
      }),
    );
    expect(JSON.stringify(row)).not.toMatch(/hidden|private/);
    expect(JSON.stringify(row).length).toBeLessThan(20_000);
    expect(measuredOf(row).logTruncated).toBe(true);
  });
});

describe('a database of the ledger', () => {
  it('is refused to a second process, and what is damaged or of a later Strata is left as it is', () => {
    const path = newPath();
    const store = new LedgerStore(path);
    store.write([rowOf(finished('a'))], []);
    const opened = () => new LedgerStore(path, { busyTimeoutMs: 0 });
    expect(opened).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringMatching(/ledger\.db is in use/) }),
    );
    store.close();
    const database = new DatabaseSync(path);
    database.exec('UPDATE schema_version SET version = 99');
    database.close();
    expect(opened).toThrow(/schema is version 99, newer/);
    const before = readFileSync(path);
    writeFileSync(path, Buffer.concat([Buffer.from('spoiled header! '), before.subarray(16)]));
    const spoiled = readFileSync(path);
    expect(opened).toThrow(
      expect.objectContaining({ code: 'internal_error', message: expect.stringMatching(/move it away/) }),
    );
    expect(readFileSync(path)).toEqual(spoiled);
    writeFileSync(path, before);
    const again = new DatabaseSync(path);
    again.exec('UPDATE schema_version SET version = 1');
    again.close();
    const last = opened();
    expect(last.receipt('a')).not.toBeNull();
    last.close();
  });
});

describe('the ledger', () => {
  it('writes after its interval, or sooner when a batch is full', async () => {
    const { clock, ledger } = open();
    ledger.add(finished('a'));
    await clock.advance(99);
    expect(ledger.counts).toMatchObject({ pending: 1, stored: 0 });
    await clock.advance(1);
    expect(ledger.counts).toMatchObject({ pending: 0, stored: 1 });
    for (const id of ['b', 'c', 'd', 'e']) ledger.add(finished(id));
    await clock.advance(0);
    expect(ledger.counts).toMatchObject({ pending: 0, stored: 5 });
    ledger.close();
  });

  it('bills an attempt once, however often it comes, and each attempt', async () => {
    const { clock, ledger, usage } = open();
    for (const id of ['a', 'a', 'b']) ledger.add(finished(id));
    await clock.advance(100);
    ledger.add(finished('a', { handlerCpuNs: 7 }));
    ledger.add(finished('a', { attempt: 2, failure: FAILED }));
    await clock.advance(100);
    expect(ledger.counts).toMatchObject({ stored: 3, duplicates: 2 });
    expect((await usage.report({ tenant: 'acme' })).total).toMatchObject({
      ...{ invocations: 3, failed: 1, cpuSeconds: 0.0003 },
    });
    expect(usage.receipt('a', 'acme')).toMatchObject({ status: 'failed' });
    ledger.close();
  });

  it('resolves a flush when all before it is on the disk, and for many at once writes once', async () => {
    const path = newPath();
    const { clock, ledger, store } = open(path);
    let writes = 0;
    const write = store.write.bind(store);
    store.write = (...given) => {
      writes += 1;
      return write(...given);
    };
    const flushed = ['a', 'b', 'c'].map((id) => {
      ledger.add(finished(id));
      return ledger.flush();
    });
    await clock.advance(2);
    await Promise.all(flushed);
    expect(writes).toBe(1);
    // As after a kill: nobody closes the ledger.
    store.close();
    const { store: again } = open(path);
    expect(again.receipt('c')).not.toBeNull();
    again.close();
  });

  it('keeps what cannot be written, refuses when too much waits, and recovers without a loss', async () => {
    const { clock, ledger, store, usage, faults } = open();
    const mend = breakDisk(store);
    ledger.add(finished('a'));
    const flushed = ledger.flush().catch((error: unknown) => error);
    await clock.advance(2);
    expect(await flushed).toMatchObject({ code: 'storage_full' });
    for (let id = 0; id < 8; id += 1) ledger.add(finished(`b${id}`));
    expect(() => ledger.refuseWhenFull()).not.toThrow();
    ledger.add(finished('last'));
    expect(() => ledger.refuseWhenFull()).toThrow(
      expect.objectContaining({
        code: 'ledger_unavailable',
        message: expect.stringMatching(/10 receipts.*full/),
      }),
    );
    await clock.advance(10_000);
    expect(ledger.counts).toMatchObject({ pending: 10, stored: 0 });
    expect(ledger.counts.writeFailures).toBeLessThan(12);
    expect(await usage.report({ tenant: 'acme' })).toMatchObject({
      complete: false,
      total: { invocations: 0 },
    });
    expect(usage.receipt('last', 'acme')).not.toBeNull();
    mend();
    await clock.advance(5_000);
    expect(ledger.counts).toMatchObject({ pending: 0, stored: 10 });
    expect(() => ledger.refuseWhenFull()).not.toThrow();
    expect(await usage.report({ tenant: 'acme' })).toMatchObject({
      complete: true,
      total: { invocations: 10 },
    });
    expect(faults).toEqual([
      expect.stringMatching(/cannot be written/),
      expect.stringMatching(/written again/),
    ]);
    ledger.close();
  });

  it('refuses by bytes too: few receipts with long errors', () => {
    const { ledger, store } = open();
    breakDisk(store);
    const stack = 'x'.repeat(100_000);
    const failure = { ...FAILED, error: { type: 'E', message: stack, stack } };
    for (let id = 0; id < 3; id += 1) ledger.add(finished(`${id}`, { failure }));
    expect(() => ledger.refuseWhenFull()).toThrow(/3 receipts wait/);
  });

  it('says what the end of the process loses when the disk fails to the last', async () => {
    const { ledger, store, faults } = open();
    breakDisk(store);
    ledger.add(finished('a'));
    ledger.close();
    expect(faults.at(-1)).toMatch(/are lost/);
  });

  it('removes receipts by number and age, never the newest, and no total changes', async () => {
    const { clock, ledger, usage } = open(IN_MEMORY, { maxReceipts: 3, maxReceiptDays: 2 });
    // Two days old within the hour.
    const startedAtMs = clock.wallMs() - 2 * DAY_MS + 60_000;
    for (let id = 0; id < 5; id += 1) ledger.add(finished(`${id}`, { startedAtMs }));
    await clock.advance(100);
    const before = await usage.report({ tenant: 'acme', groupBy: ['day', 'function'] });
    await clock.advance(1_000);
    expect(ledger.counts.removed).toBe(2);
    expect([usage.receipt('1', 'acme'), usage.receipt('2', 'acme')]).toEqual([null, expect.anything()]);
    await clock.advance(120_000);
    expect(ledger.counts.removed).toBe(4);
    expect(usage.receipt('4', 'acme')).not.toBeNull();
    expect(await usage.report({ tenant: 'acme', groupBy: ['day', 'function'], to: before.to })).toEqual(
      before,
    );
    ledger.close();
  }, 30_000);

  it('forgets the sums of days when they are older than they are kept', async () => {
    const { clock, ledger, usage } = open(IN_MEMORY, { maxSumDays: 31 });
    ledger.add(finished('old', { startedAtMs: START_MS - 40 * DAY_MS }));
    ledger.add(finished('new'));
    await clock.advance(2_000);
    expect((await usage.report({ tenant: 'acme', from: '2025-01-01' })).total.invocations).toBe(1);
    ledger.close();
  });

  it('counts what cannot be true up to its bound, and goes on', async () => {
    const { clock, ledger, usage } = open(IN_MEMORY, { batchRows: 2_000, maxPending: 1_000_000 });
    const { store } = open();
    const huge = { handlerCpuNs: 1e300, phases: [0, 0, 0, 1e300, 0, 0], function: { memoryMb: 1e9 } };
    for (let id = 0; id < 2_000; id += 1) ledger.add(finished(`${id}`, huge));
    await clock.advance(100);
    expect((await usage.report({ tenant: 'acme' })).total.exact.cpuNs).toBe('20000000000000000');
    store.close();
    ledger.close();
  });

  it('has each day equal to the sum of its receipts, over batches, crashes, duplicates, removal and any clock', async () => {
    const receipt = fc.record({
      id: fc.integer({ min: 0, max: 60 }),
      attempt: fc.integer({ min: 1, max: 2 }),
      tenant: fc.constantFrom('a', 'b'),
      name: fc.constantFrom('f', 'g'),
      day: fc.integer({ min: -3, max: 3 }),
      cpuNs: fc.nat({ max: 1e12 }),
      ms: fc.double({ min: 0, max: 900_000, noNaN: true }),
      fails: fc.boolean(),
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: receipt.map((one) => ({ kind: 'add' as const, one })) },
      { weight: 2, arbitrary: fc.constant({ kind: 'pass' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'break' as const }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const path = newPath();
        // Removal leaves more than there are ids: what was removed does not come again here.
        let world = open(path, { maxReceipts: 200 });
        const written = new Map<string, Finished>();
        let waiting: Finished[] = [];
        const settle = async (): Promise<void> => {
          await world.clock.advance(6_000);
          for (const one of waiting) {
            const key = `${one.invocationId} ${one.attempt}`;
            if (!written.has(key)) written.set(key, one);
          }
          waiting = [];
        };
        for (const step of steps) {
          if (step.kind === 'add') {
            const { id, attempt, tenant, name, day, cpuNs, ms, fails } = step.one;
            const one = finished(`i${id}`, {
              ...{ attempt, function: { tenant, name }, startedAtMs: START_MS + day * DAY_MS + id },
              ...{ handlerCpuNs: cpuNs, phases: [0, 0, 0, 0, 0, ms], failure: fails ? FAILED : null },
            });
            waiting.push(one);
            world.ledger.add(one);
          } else if (step.kind === 'pass') await settle();
          else if (step.kind === 'crash') {
            world.store.close();
            waiting = [];
            world = open(path, { maxReceipts: 200 });
          } else {
            const mend = breakDisk(world.store);
            await world.clock.advance(3);
            mend();
          }
          // A full batch is written at once.
          if (world.ledger.counts.pending >= SETTINGS.batchRows) await settle();
        }
        await settle();
        const expected = new Map<string, { total: Totals; failed: number }>();
        for (const one of written.values()) {
          const key = `${one.function.tenant} ${dayText(Math.floor(one.startedAtMs / DAY_MS))}`;
          const before = expected.get(key) ?? { total: NO_TOTALS, failed: 0 };
          expected.set(key, {
            total: addTotals(before.total, totalOf(one)),
            failed: before.failed + (one.failure === null ? 0 : 1),
          });
        }
        const report = world.usage.report({
          tenant: null,
          from: '2026-01-01',
          to: '2026-02-01',
          groupBy: ['tenant', 'day'],
        });
        await world.clock.advance(SETTINGS.flushIntervalMs);
        const rows = (await report).rows.map(({ tenant, day, invocations, failed, exact }) => [
          `${tenant} ${day}`,
          { invocations: String(invocations), failed, cpuNs: exact.cpuNs, mb: exact.memoryMbUs },
        ]);
        const wanted = [...expected].map(([key, { total, failed }]) => [
          key,
          {
            invocations: String(total.invocations),
            failed,
            cpuNs: String(total.cpuNs),
            mb: String(total.memoryMbUs),
          },
        ]);
        expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(wanted));
        world.ledger.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
