import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { POLICY_NAMES } from '../pool/policy/api.ts';
import type { SimulationResult, SimulationRun } from './api.ts';
import { plotOf } from './plot.ts';
import { axisOf } from './plot-axis.ts';
import { comparisonsOf, LEGEND, reportOf, sectionsOf, signed } from './report.ts';
import { RunResults } from './results.ts';
import { functionOf, smallTrace } from './testing.ts';
import { summaryOf } from './trace.ts';

const run = (
  policy: SimulationRun['policy'],
  coldMs: number,
  idleMbSeconds: number,
  budgetGb = 16,
): SimulationRun => {
  const results = new RunResults();
  for (let each = 0; each < 90; each += 1) results.started('code', 0);
  for (const from of ['none', 'container', 'runtime'] as const) results.started(from, coldMs);
  results.held(idleMbSeconds, 1_000);
  results.memory(8 * 1024);
  if (policy === 'fixed') results.refused('queue_timeout', 0);
  return { tier: 'isolate', budgetGb, policy, figures: results.figures() };
};

const resultOf = (
  runs: readonly SimulationRun[],
  bounds: SimulationResult['bounds'] = {},
): SimulationResult => ({
  ...{
    version: '0.1.0',
    trace: summaryOf(smallTrace([functionOf('f', [1, 2])])),
    seed: 7,
    costs: {},
    settings: {},
  },
  ...{ bounds, runs },
});

const POINTS = [
  { priceMsPerMbSecond: 1e-5, misses: 1, startLatencyMs: 10, idleMbSeconds: 368_640 },
  { priceMsPerMbSecond: 1e-3, misses: 9, startLatencyMs: 90, idleMbSeconds: 36_864 },
];
const BOUND = { keeping: POINTS, knowing: POINTS };

const sound = resultOf([run('fixed', 100, 3_686_400), run('strata', 25, 368_640)], { isolate: BOUND });

/** Parses it strictly; answers all text and how often each element occurs. */
const parsed = (
  xml: string,
): { readonly text: string; readonly counts: Readonly<Record<string, number>> } => {
  const counts: Record<string, number> = {};
  let text = '';
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name }) => {
    counts[name] = (counts[name] ?? 0) + 1;
  });
  parser.on('text', (part) => {
    text += part;
  });
  parser.write(xml).close();
  return { text, counts };
};

describe('the legend', () => {
  it('has every word that heads a column', () => {
    const headings = sectionsOf(sound).flatMap(({ rows }) => rows[0] ?? []);
    const words = new Set(headings.flatMap((heading) => heading.split(' ')));
    expect(words.size).toBeGreaterThan(20);
    const known = new Set(LEGEND.join(' ').split(/[ ,:;.]+/));
    expect([...words].filter((word) => !known.has(word))).toEqual([]);
  });
});

describe('sectionsOf', () => {
  it('has a table of policies for each tier and budget, compared with fixed', () => {
    const sections = sectionsOf(resultOf([...sound.runs, run('fixed', 1, 1, 64)]));
    expect(sections.map(({ title }) => title)).toEqual([
      'strata 0.1.0, seed 7',
      'isolate, 16 GB',
      'isolate, 64 GB',
    ]);
    expect(sectionsOf(sound).at(-1)?.rows.slice(1)).toEqual([
      ['0.000010', '0.0100', '0.100', '0.0100', '0.100'],
      ['0.00100', '0.0900', '0.0100', '0.0900', '0.0100'],
    ]);
    const rows = sections[1]?.rows ?? [];
    expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
    expect(rows[1]?.join(' | ')).toBe(
      'fixed | 96.8 % | 1.08 % | 1.08 % | 1.08 % | 0 | 0 | 100 | 3.19 | 0.300 | 1.00 | 8.00 | 0 | 1 (queue_timeout 1) |  |  |  |  |  | ',
    );
    expect(rows[2]?.slice(-6, -4)).toEqual(['−75 %', '−90 %']);
    const [, strata] = sectionsOf(sound)[1]?.rows.slice(1) ?? [];
    expect(strata?.slice(-2)).toEqual(['0.0100', '0.0141']);
  });
});

describe('comparisonsOf', () => {
  it('compares every run with fixed, of the same tier and budget', () => {
    const comparisons = comparisonsOf(resultOf([...sound.runs, run('strata', 1, 1, 64)]));
    expect(
      comparisons.map(({ policy, against, startLatency, wastedMemory }) => [
        ...[policy, against, startLatency?.toFixed(2), wastedMemory?.toFixed(2)],
      ]),
    ).toEqual([['strata', 'fixed', '-0.75', '-0.90']]);
  });

  it('goes into the JSON report with everything that was given', () => {
    const report = JSON.parse(JSON.stringify(reportOf(sound, { trace: 'DIR' })));
    expect(report).toMatchObject({
      input: { trace: 'DIR' },
      seed: 7,
      version: '0.1.0',
      trace: { functions: 1 },
    });
    expect(report.runs[1].figures).toEqual(sound.runs[1]?.figures);
    expect(report.comparisons).toHaveLength(1);
    expect(report.distances).toMatchObject([
      { policy: 'fixed', keeping: { startLatencyMs: 0 } },
      { policy: 'strata', knowing: { startLatencyMs: 10 } },
    ]);
  });

  it.each([
    [-0.68, '−68 %'],
    [0.0312, '+3.1 %'],
    [0.0001, '±0 %'],
    [-1, '−100 %'],
    [null, '?'],
  ])('shows a change of %d as %s', (share, expected) => {
    expect(signed(share)).toBe(expected);
  });
});

describe('plotOf', () => {
  it('is XML with a marker for each run, the bound as a line, and every name', () => {
    const runs = ['isolate', 'container'].flatMap((tier) =>
      [4, 16, 64].flatMap((budgetGb) =>
        POLICY_NAMES.map((policy, at) => ({
          ...run(policy, 10 + at, 1_000 * (at + 1), budgetGb),
          tier: tier as SimulationRun['tier'],
        })),
      ),
    );
    const { text, counts } = parsed(plotOf(resultOf(runs, { isolate: BOUND, container: BOUND })));
    expect(counts).toMatchObject({ svg: 1, polyline: 4 });
    // A title for each point, and for each of the three layers of each bar.
    expect(counts.title).toBe(30 + 3 * 30);
    for (const word of [...POLICY_NAMES, 'bound', '64 GB', 'Tier container', 'GB·h (log)'])
      expect(text).toContain(word);
  });

  it('is sound XML whatever the figures are', () => {
    const figure = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e12, noNaN: true }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(figure, figure, fc.constantFrom(1, 4, 0.25, 1e6)), { maxLength: 5 }),
        (figures) => {
          const runs = figures.map(([coldMs, idle, budgetGb], at) =>
            run(POLICY_NAMES[at % POLICY_NAMES.length] ?? 'fixed', coldMs, idle, budgetGb),
          );
          const xml = plotOf(resultOf(runs));
          parsed(xml);
          expect(xml).not.toMatch(/NaN|Infinity|undefined/);
        },
      ),
    );
  });

  it('escapes what would be markup', () => {
    const hostile = run('</text><script>"&\u0000\ud800' as 'fixed', 1, 1);
    expect(parsed(plotOf(resultOf([hostile]))).counts.script).toBeUndefined();
  });
});

describe('axisOf', () => {
  it('holds every value in order, with a few ticks inside', () => {
    const value = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 20 }), (values) => {
        const axis = axisOf(values, 0, 100);
        const places = values.toSorted((one, other) => one - other).map((each) => axis.at(each));
        expect(places).toEqual(places.toSorted((one, other) => one - other));
        for (const place of places) expect(place > 0 && place < 100).toBe(true);
        expect(axis.ticks.length).toBeGreaterThan(0);
        expect(axis.ticks.length).toBeLessThan(10);
        for (const tick of axis.ticks) expect(axis.at(tick) >= 0 && axis.at(tick) <= 100).toBe(true);
        expect(axis.at(0)).toBe(0);
      }),
    );
  });
});
