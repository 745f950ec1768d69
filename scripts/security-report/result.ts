/**
 * What the security report is made from: the results of corpus, fuzzing, chaos and soak, summed up.
 *
 * Owns the shapes and the sums; the words are in `page.ts`. A part that was not run is null, and the page says so.
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

export interface SecurityResult {
  readonly date: string;
  readonly machine: Machine;
  readonly corpus: CorpusSummary | null;
  readonly fuzz: readonly FuzzResult[] | null;
  readonly chaos: readonly Ordeal[] | null;
  readonly soak: readonly Soak[] | null;
}

export const summaryOf = (results: Results, machine: Machine, date: string): SecurityResult => ({
  ...{ date, machine, fuzz: results.fuzz, chaos: results.chaos, soak: results.soak },
  corpus: results.corpus === null ? null : corpusOf(results.corpus),
});

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
