import { expect, it } from 'vitest';
import { type BenchResult, compare, row } from './harness/result.ts';
import { withHeadlines, withTables } from './tables.ts';

const RESULT: BenchResult = {
  question: 'speed',
  quick: false,
  startedAt: '2026-01-02T03:04:05.000Z',
  machine: {
    cpuModel: 'A',
    cores: 2,
    memoryGb: 8,
    kernel: 'Linux 6',
    commit: 'abc',
    versions: { node: '24' },
  },
  sizes: { rounds: 3 },
  rows: [row('fast', { p50Ms: 0.5 }), row('absent', { p50Ms: null }, 'it did not start')],
  comparisons: [compare('fast enough', 0.5, { atMost: 0.4 }), compare('unknown', null, { atLeast: 2 })],
  notes: ['Read with care.'],
};

it('replaces what stands between the markers, and nothing else', () => {
  const text = 'before\n<!-- bench:speed -->\nold\n<!-- /bench:speed -->\nafter\n';
  const next = withTables(text, () => RESULT);
  expect(next).toMatch(/^before\n<!-- bench:speed -->\n\| {2}\| p50 ms \|\n/);
  expect(next).toMatch(/<!-- \/bench:speed -->\nafter\n$/);
  expect(next).not.toContain('old');
  expect(withTables(next, () => RESULT)).toBe(next);
});

it('shows a missed target, a missing figure and its reason', () => {
  const next = withTables('<!-- bench:speed --><!-- /bench:speed -->', () => RESULT);
  expect(next).toContain('| fast enough | 0.5 | ≤ 0.4 | no |');
  expect(next).toContain('| unknown | n/a | ≥ 2 |  |');
  expect(next).toContain('- Not measured: absent: it did not start');
});

it('refuses a marker that is not closed', () => {
  expect(() => withTables('<!-- bench:speed -->\nold', () => RESULT)).toThrow(
    '1 bench tables are opened and 0',
  );
});

it('says how to measure what has no result', () => {
  const next = withTables('<!-- bench:speed --><!-- /bench:speed -->', () => null);
  expect(next).toContain('Not measured yet: `npx node bench/run.ts --only speed`.');
});

it('puts the headlines into their place, with what was missed and what was not measured', () => {
  const result = {
    ...RESULT,
    rows: [row('Strata, start code', { p50Ms: 0.42 })],
    comparisons: [compare('start from runtime, p50 ms', 2.1, { atMost: 0.8 })],
  };
  const text = 'before\n<!-- headlines -->\nold\n<!-- /headlines -->\nafter\n';
  const next = withHeadlines(text, (question) => (question === 'cold-start' ? result : null));
  expect(next).toMatch(/^before\n<!-- headlines -->\n\n\| what /);
  expect(next).toContain('(median over HTTP) | 2.1 | ≤ 0.8 | **no** | 2026-01-02 |');
  expect(next).toContain('| isolate: loaded code, ms | 0.42 |  |  | 2026-01-02 |');
  expect(next).toContain('workerd’s Worker Loader (`load`) takes times as long | not measured |  |  |  |');
  expect(next).not.toContain('old');
  expect(withHeadlines(next, (question) => (question === 'cold-start' ? result : null))).toBe(next);
});

it('refuses a text without a place for the headlines', () => {
  expect(() => withHeadlines('nothing', () => null)).toThrow('no place for the headlines');
});
