/**
 * Loads several subjects with wrk in alternated rounds.
 *
 * Owns the order of the runs and the refusal of runs with errors. A subject that fails is left out from then on and
 * its rows say why.
 */
import { Scope } from './children.ts';
import { progress } from './command.ts';
import { type Row, reasonOf, row } from './result.ts';
import { median } from './stats.ts';
import { type Load, runWrk, type WrkReport, wrkFigures } from './wrk.ts';

export interface Subject {
  readonly id: string;
  /** Called before each run; what it starts in the scope ends with the run. */
  open(run: Scope): Promise<Load>;
}

export interface LoadSizes {
  readonly rounds: number;
  readonly secondsPerRun: number;
  /** A first run that is not counted, before the rounds. */
  readonly warmUpSeconds: number;
  readonly connections: readonly number[];
}

export interface LoadsMeasured {
  readonly rows: readonly Row[];
  /** Requests a second, the median of the rounds; null when not measured. */
  rate(id: string, connections: number): number | null;
}

export const measureLoads = async (
  question: string,
  subjects: readonly Subject[],
  sizes: LoadSizes,
): Promise<LoadsMeasured> => {
  const failures = new Map<string, string>();
  const reports = new Map<string, WrkReport[]>();
  const runOnce = async (
    subject: Subject,
    connections: number,
    seconds: number,
  ): Promise<WrkReport | null> => {
    if (failures.has(subject.id)) return null;
    try {
      return await Scope.run(async (run) => {
        const report = await runWrk(run, await subject.open(run), connections, seconds);
        if (report.errors > 0) {
          throw new Error(
            `${report.errors} of ${report.requests} requests failed at ${connections} connections`,
          );
        }
        return report;
      });
    } catch (error) {
      failures.set(subject.id, reasonOf(error));
      return null;
    }
  };
  for (const subject of subjects) await runOnce(subject, Math.max(...sizes.connections), sizes.warmUpSeconds);
  for (let round = 0; round < sizes.rounds; round += 1) {
    for (const connections of sizes.connections) {
      for (let turn = 0; turn < subjects.length; turn += 1) {
        const subject = subjects[(turn + round) % subjects.length];
        if (subject === undefined) continue;
        const report = await runOnce(subject, connections, sizes.secondsPerRun);
        const rate = report === null ? 'not measured' : `${Math.round(report.requestsPerSecond)} / s`;
        progress(`${question}: round ${round + 1}, ${connections} connections, ${subject.id}: ${rate}`);
        const key = keyOf(subject.id, connections);
        if (report !== null) reports.set(key, [...(reports.get(key) ?? []), report]);
      }
    }
  }
  return toRows(subjects, sizes, reports, failures);
};

const toRows = (
  subjects: readonly Subject[],
  sizes: LoadSizes,
  reports: ReadonlyMap<string, WrkReport[]>,
  failures: ReadonlyMap<string, string>,
): LoadsMeasured => {
  // A subject that failed on the way has no figures: part of a run is not comparable with whole ones.
  const reportsOf = (id: string, connections: number): WrkReport[] =>
    failures.has(id) ? [] : (reports.get(keyOf(id, connections)) ?? []);
  const rows = sizes.connections.flatMap((connections) =>
    subjects.map(({ id }) => {
      const figures = wrkFigures(reportsOf(id, connections));
      const unit = connections === 1 ? 'connection' : 'connections';
      return row(`${id}, ${connections} ${unit}`, figures, failures.get(id) ?? null);
    }),
  );
  const rate = (id: string, connections: number): number | null =>
    median(reportsOf(id, connections).map((report) => report.requestsPerSecond));
  return { rows, rate };
};

const keyOf = (id: string, connections: number): string => `${id}/${connections}`;
