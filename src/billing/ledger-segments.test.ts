import { expect, it } from 'vitest';
import { IN_MEMORY } from '../ports/database.ts';
import { rowOf } from './ledger-row.ts';
import { recordsOf, segmentsOf, tailOf } from './ledger-segments.ts';
import { LedgerStore } from './ledger-store.ts';
import { sumsOf } from './ledger-sums.ts';
import { FAILED, finished, START_MS } from './testing.ts';

const many = (count: number, of: (at: number) => Parameters<typeof finished>[1] = () => ({})) =>
  Array.from({ length: count }, (_, at) => rowOf(finished(`i${at}`, of(at))));

const idsOf = (records: readonly { readonly invocationId: string }[]) =>
  records.map(({ invocationId }) => invocationId);

it('a segment is of one tenant, of few receipts and of bounded size, and numbers have no gaps', () => {
  const stack = 'x'.repeat(8_000);
  const failure = { ...FAILED, error: { type: 'E', message: 'm', stack } };
  const rows = many(400, (at) => ({
    function: { tenant: at % 3 === 0 ? 'a' : 'b' },
    failure: at < 100 ? failure : null,
  }));
  const segments = segmentsOf(rows, 7);
  let next = 7;
  for (const segment of segments) {
    expect(segment.first).toBe(next);
    next += segment.receipts;
    expect(segment.receipts).toBeLessThanOrEqual(64);
    expect(segment.kept.length).toBeLessThan(80_000);
    expect(new Set(recordsOf(segment).map(({ tenant }) => tenant))).toEqual(new Set([segment.tenant]));
  }
  expect(next).toBe(407);
  expect(idsOf(segments.flatMap(recordsOf)).sort()).toEqual(idsOf(rows).sort());
});

it('a segment without its oldest has the others as they were', () => {
  const [segment] = segmentsOf(
    many(10, (at) => ({
      ...{ startedAtMs: START_MS + ((at * 7) % 10), attempt: 1 + (at % 2) },
      ...{ failure: at % 3 === 0 ? FAILED : null, function: { name: `f${at % 4}` } },
    })),
    1,
  );
  if (segment === undefined) throw new Error('there is no segment');
  const { tail, removed } = tailOf(segment, 4);
  expect(tail.first).toBe(5);
  expect(recordsOf(tail)).toEqual(recordsOf(segment).slice(4));
  expect(JSON.parse(removed)).toEqual(['i0', 'i1 0000002', 'i2', 'i3 0000002']);
});

it('sums of a batch are exact beyond what a number holds', () => {
  const rows = many(2_000, () => ({ handlerCpuNs: 9_999_999_999_999 }));
  const [sum, ...others] = sumsOf(rows);
  expect(others).toEqual([]);
  expect(sum?.slice(4, 7)).toEqual([2_000, 0, 9_999_999_999_999n * 2_000n]);
});

it('a receipt is found, and an attempt is once, wherever segments were cut', () => {
  const store = new LedgerStore(IN_MEMORY);
  const rows = many(200);
  expect(store.write(rows.slice(0, 150), [])).toBe(150);
  expect(store.write(rows, [])).toBe(50);
  expect(store.removeReceipts(77, 0, 50)).toBe(50);
  expect(store.removeReceipts(77, 0, 1_000)).toBe(73);
  expect(store.ends()).toEqual({ first: 124, last: 200 });
  const found = rows.map(({ invocationId }) => store.receipt(invocationId)?.invocationId);
  expect(found).toEqual(rows.map(({ invocationId }, at) => (at < 123 ? undefined : invocationId)));
  expect(store.write(rows.slice(123), [])).toBe(0);
  const pages: string[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const page = store.page({ tenant: 'acme', fromMs: 0, toMs: 1e15 }, from, 200, 10);
    pages.push(...idsOf(page.records));
    from = page.next;
  }
  expect(pages).toEqual(idsOf(rows.slice(123)));
  store.close();
});
