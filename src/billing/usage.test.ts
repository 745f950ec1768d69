import { describe, expect, it } from 'vitest';
import { IN_MEMORY } from '../ports/database.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import type { ReceiptLine, UsageQuery } from './api.ts';
import { Ledger } from './ledger.ts';
import { LedgerStore } from './ledger-store.ts';
import { parsePrices } from './prices.ts';
import { DAY_MS, FAILED, finished, START_MS } from './testing.ts';
import { LedgerUsage } from './usage.ts';

const PRICES = parsePrices({
  currency: 'EUR',
  decimals: 2,
  tariffs: { cpu: { freeUnits: '10', tiers: [{ upTo: '20', price: '1' }, { price: '0.333' }] } },
});

const open = (priced = false) => {
  const clock = new ManualClock(START_MS);
  const store = new LedgerStore(IN_MEMORY);
  const ledger = new Ledger({
    ...{ clock, store, onFault: () => {} },
    settings: {
      ...{ durability: 'batched', flushIntervalMs: 10, batchRows: 100, maxPending: 100_000 },
      ...{ maxReceipts: 1e6, maxReceiptDays: 90, maxSumDays: 400 },
    },
  });
  let settled = 0;
  const usage = new LedgerUsage({
    ...{ clock, ledger, store, tariff: 'cpu', prices: priced ? PRICES : null },
    settleOperator: () => {
      settled += 1;
    },
  });
  /** CPU seconds of a function on a day of January. */
  const add = (tenant: string, name: string, day: number, seconds: number, version = '$LATEST'): void => {
    const startedAtMs = Date.UTC(2026, 0, day, 12);
    const id = `${tenant}-${name}-${version}-${day}-${seconds}-${ledger.counts.pending}`;
    ledger.add(
      finished(id, { function: { tenant, name, version }, startedAtMs, handlerCpuNs: seconds * 1e9 }),
    );
  };
  const report = async (query: Partial<UsageQuery> = {}) => {
    const reported = usage.report({ tenant: 'a', from: '2026-01-01', to: '2026-02-01', ...query });
    reported.catch(() => {});
    await clock.advance(10);
    return reported;
  };
  return { clock, store, ledger, usage, add, report, settled: () => settled };
};

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('a report', () => {
  it('groups by every key, in order, and totals what it has', async () => {
    const { add, report } = open();
    add('a', 'f', 2, 1);
    add('a', 'f', 1, 2, '1');
    add('a', 'g', 1, 4);
    add('b', 'f', 1, 8);
    const rows = async (query: Partial<UsageQuery>) =>
      (await report(query)).rows.map(({ tenant, function: name, version, day, cpuSeconds }) =>
        [tenant, name, version, day, cpuSeconds].filter((cell) => cell !== undefined),
      );
    expect(await rows({})).toEqual([[7]]);
    expect(await rows({ groupBy: ['function'] })).toEqual([
      ['f', 3],
      ['g', 4],
    ]);
    expect(await rows({ groupBy: ['day', 'version'] })).toEqual([
      ['$LATEST', '2026-01-01', 4],
      ['1', '2026-01-01', 2],
      ['$LATEST', '2026-01-02', 1],
    ]);
    expect(await rows({ tenant: null, groupBy: ['tenant'] })).toEqual([
      ['a', 7],
      ['b', 8],
    ]);
    expect((await report({ tenant: null })).total).toMatchObject({ invocations: 4, cpuSeconds: 15 });
    expect(await rows({ tenant: 'c', groupBy: ['function'] })).toEqual([]);
  });

  it('has the days from the first to the one before the last, and by default this month', async () => {
    const { add, report, usage, clock } = open();
    for (const day of [1, 2, 3]) add('a', 'f', day, day);
    expect((await report({ from: '2026-01-02', to: '2026-01-03' })).total.cpuSeconds).toBe(2);
    expect((await report({ from: '2026-01-03T00:00:00Z' })).total.cpuSeconds).toBe(3);
    const reported = usage.report({ tenant: 'a' });
    await clock.advance(10);
    expect(await reported).toMatchObject({ from: '2026-01-01', to: '2026-01-11', total: { cpuSeconds: 6 } });
  });

  it.each<[Partial<UsageQuery>, RegExp]>([
    [{ tariff: 'gold' as never }, /no tariff "gold"; there are cpu, fc-2024, lambda, workers/],
    [{ groupBy: ['colour' as never] }, /groupBy has "colour"/],
    [{ groupBy: ['day', 'day'] }, /once/],
    [{ from: '2026-02-31' }, /from is "2026-02-31"; give a day/],
    [{ from: '2026-01-01T12:00:00Z' }, /whole days/],
    [{ to: 'tomorrow' }, /to is "tomorrow"/],
    [{ from: '2026-01-02', to: '2026-01-02' }, /to is the day behind the last/],
    [{ from: '1990-01-01' }, /at most 3660 days/],
  ])('refuses %j', async (query, message) => {
    const { report } = open();
    await expect(report(query)).rejects.toThrow(refusal('invalid_request', message));
  });

  it('counts failed invocations, which cost what they used', async () => {
    const { ledger, report } = open();
    ledger.add(finished('x', { function: { tenant: 'a' }, failure: FAILED, handlerCpuNs: 5e8 }));
    expect((await report()).total).toMatchObject({ invocations: 1, failed: 1, cuSeconds: 0.5, amount: null });
  });

  it('has money that is the same however it is grouped and whichever days are asked for', async () => {
    const { add, report } = open(true);
    // The free part ends on the second day, the first tier on the third.
    add('a', 'f', 1, 8);
    add('a', 'f', 2, 4);
    add('a', 'g', 2, 4);
    add('a', 'f', 3, 17);
    add('b', 'f', 3, 11);
    const whole = await report({ tenant: null, groupBy: ['tenant', 'day', 'function'] });
    expect(whole.rows.map(({ tenant, day, function: name, amount }) => [tenant, day, name, amount])).toEqual([
      ['a', '2026-01-01', 'f', 0],
      ['a', '2026-01-02', 'f', 300],
      ['a', '2026-01-02', 'g', 300],
      ['a', '2026-01-03', 'f', 1_500],
      ['b', '2026-01-03', 'f', 100],
    ]);
    expect(whole).toMatchObject({ currency: { code: 'EUR', decimals: 2 }, total: { amount: 2_200 } });
    const amounts = async (query: Partial<UsageQuery>) =>
      (await report(query)).rows.map(({ amount }) => amount);
    expect(await amounts({ groupBy: ['function'] })).toEqual([1_800, 300]);
    expect(await amounts({ from: '2026-01-03', to: '2026-01-04' })).toEqual([1_500]);
    expect(await amounts({ tariff: 'workers' })).toEqual([null]);
  });

  it('makes a tenant ask for its own rows alone, and shows idle memory to the operator', async () => {
    const { ledger, report, settled } = open();
    const entry = { day: START_MS / DAY_MS, runtime: 'isolate', layer: 'runtime', use: 'kept' };
    ledger.addOperator([{ ...entry, memoryMbMs: 1_024_000n, cpuNs: 0n }]);
    ledger.addOperator([{ ...entry, memoryMbMs: 512_000n, cpuNs: 5n }]);
    ledger.add(finished('x', { function: { tenant: 'a' } }));
    const all = await report({ tenant: null, groupBy: ['day'] });
    expect(all.operator).toEqual([
      {
        tenant: null,
        day: '2026-01-10',
        tier: 'isolate',
        runtime: 'isolate',
        layer: 'runtime',
        use: 'kept',
        gbSeconds: 1.5,
        cpuSeconds: 5e-9,
      },
    ]);
    expect(settled()).toBe(1);
    expect(await report()).not.toHaveProperty('operator');
  });

  it('refuses more rows than it can have, and more at once than it can make', async () => {
    const { ledger, report, usage, clock } = open();
    for (let at = 0; at < 10_001; at += 1)
      ledger.add(finished(`${at}`, { function: { tenant: 'a', name: `f${at}` } }));
    await clock.advance(100);
    await expect(report({ groupBy: ['function'] })).rejects.toThrow(
      refusal('invalid_request', /more than 10000 rows/),
    );
    expect((await report()).total.invocations).toBe(10_001);
    const many = Array.from({ length: 65 }, () => usage.report({ tenant: 'b' }));
    await expect(many.at(-1)).rejects.toThrow(refusal('overloaded', /64 reports/));
    await Promise.all(many.slice(0, -1));
  }, 30_000);
});

describe('an export of receipts', () => {
  const idsOf = async (pages: AsyncIterable<readonly ReceiptLine[]>): Promise<string[]> => {
    const ids: string[] = [];
    for await (const page of pages) ids.push(...page.map(({ invocationId }) => invocationId));
    return ids;
  };

  it('has each receipt of the tenant once, in the order of writing, within its times', async () => {
    const { ledger, usage, clock } = open();
    for (let at = 0; at < 1_234; at += 1) {
      // Many start in the same millisecond, and some before those that came earlier.
      const startedAtMs = START_MS + ((at * 7) % 100);
      ledger.add(finished(`i${at}`, { startedAtMs, function: { tenant: at % 3 === 0 ? 'b' : 'a' } }));
    }
    await clock.advance(100);
    const range = { fromMs: START_MS + 10, toMs: START_MS + 90 };
    const own = await idsOf(usage.receipts({ tenant: 'a', ...range }));
    const expected = Array.from({ length: 1_234 }, (_, at) => at).filter((at) => {
      const ms = (at * 7) % 100;
      return at % 3 !== 0 && ms >= 10 && ms < 90;
    });
    expect(own).toEqual(expected.map((at) => `i${at}`));
    expect(await idsOf(usage.receipts({ tenant: null, fromMs: 0, toMs: 1e15 }))).toHaveLength(1_234);
  });

  it('lets a tenant read two at once, and one more when one has ended or was given up', async () => {
    const { ledger, usage, clock } = open();
    for (let at = 0; at < 600; at += 1) ledger.add(finished(`i${at}`, { function: { tenant: 'a' } }));
    await clock.advance(100);
    const start = async (tenant: string) => {
      const pages = usage.receipts({ tenant, fromMs: 0, toMs: 1e15 });
      return { pages, first: await pages.next() };
    };
    const one = await start('a');
    await start('a');
    await expect(start('a')).rejects.toThrow(refusal('overloaded', /2 exports/));
    await start('b');
    await one.pages.return?.();
    await start('a');
  });
});
