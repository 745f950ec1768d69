/**
 * What the security report is made from: the results of corpus, fuzzing, chaos and soak, summed up.
 *
 * Owns the shapes and the sums; the words are in `page.ts`. A part that was never run is null, and the page says so;
 * one that was not run this time is that of the last report, with its own date and commit.
 */
import type { Machine } from '../../bench/harness/machine.ts';
import { GROUPS, type Group } from '../../src/attack/case.ts';
import type { Verdict } from '../../src/attack/run.ts';
import type { Ordeal } from '../../test/chaos/ordeal.ts';
import type { Soak } from '../../test/chaos/soak-run.ts';
import type { FuzzResult } from '../../test/fuzz/mutator.ts';

export interface Results {
  readonly corpus: readonly Verdict[] | null;
  readonly fuzz: readonly FuzzResult[] | null;
  readonly chaos: readonly Ordeal[] | null;
  readonly soak: readonly Soak[] | null;
}

/** A group of attacks on one runtime. */
export interface GroupRow {
  readonly group: Group;
  readonly runtime: Verdict['runtime'];
  readonly tried: number;
  readonly held: number;
}

export interface CanaryRow {
  readonly beside: Verdict['runtime'];
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface CorpusSummary {
  /** Different attacks; each is run on every runtime to which it applies, in both process models. */
  readonly attacks: number;
  readonly rows: readonly GroupRow[];
  readonly canaries: readonly CanaryRow[];
  readonly notHeld: readonly { readonly title: string; readonly problems: readonly string[] }[];
}

export const PARTS = ['corpus', 'fuzz', 'chaos', 'soak'] as const;
export type Part = (typeof PARTS)[number];

/** When a part was run, and on what. */
export interface Origin {
  readonly date: string;
  readonly machine: Machine;
}

export interface SecurityResult {
  /** Of the parts that were run. */
  readonly origins: { readonly [Name in Part]?: Origin };
  readonly corpus: CorpusSummary | null;
  readonly fuzz: readonly FuzzResult[] | null;
  readonly chaos: readonly Ordeal[] | null;
  readonly soak: readonly Soak[] | null;
}

/** What was run now, and of the parts that were not, what the last report had. */
export const summaryOf = (results: Results, now: Origin, last: SecurityResult | null): SecurityResult => {
  const origins: { [Name in Part]?: Origin } = {};
  for (const part of PARTS) {
    const origin = results[part] === null ? last?.origins[part] : now;
    if (origin !== undefined) origins[part] = origin;
  }
  return {
    origins,
    corpus: results.corpus === null ? (last?.corpus ?? null) : corpusOf(results.corpus),
    fuzz: results.fuzz ?? last?.fuzz ?? null,
    chaos: results.chaos ?? last?.chaos ?? null,
    soak: results.soak ?? last?.soak ?? null,
  };
};

const corpusOf = (verdicts: readonly Verdict[]): CorpusSummary => {
  const runtimes = [...new Set(verdicts.map(({ runtime }) => runtime))];
  return {
    attacks: new Set(verdicts.map(({ id }) => id)).size,
    rows: GROUPS.flatMap((group) =>
      runtimes.map((runtime) => {
        const some = verdicts.filter((verdict) => verdict.group === group && verdict.runtime === runtime);
        return { group, runtime, tried: some.length, held: some.filter(({ held }) => held).length };
      }),
    ).filter(({ tried }) => tried > 0),
    canaries: runtimes.map((beside) => canaryOf(beside, verdicts)),
    notHeld: verdicts
      .filter(({ held }) => !held)
      .map(({ id, name, runtime, model, problems }) => ({
        title: [`${id} ${name}`, runtime, ...(model === null ? [] : [model])].join(', '),
        problems,
      })),
  };
};

const canaryOf = (beside: Verdict['runtime'], verdicts: readonly Verdict[]): CanaryRow => {
  const latenciesMs = verdicts
    .filter(({ runtime }) => runtime === beside)
    .flatMap(({ canary }) => canary.latenciesMs)
    .sort((a, b) => a - b);
  const at = (share: number): number =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0;
  return { beside, calls: latenciesMs.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
};
