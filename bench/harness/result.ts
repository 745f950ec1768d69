/**
 * What a bench answers: rows of figures, comparisons made within one run, and where and with what it ran.
 *
 * Owns the shape of `bench/results/*.json` and its rendering as Markdown. A figure that could not be measured is
 * null and its row says why; units are in the names of the columns.
 */
import type { Machine } from './machine.ts';
import { round } from './stats.ts';

export interface Row {
  readonly subject: string;
  readonly figures: Readonly<Record<string, number | null>>;
  /** Why figures are null; null when none is. */
  readonly reason: string | null;
}

export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A ratio, or a figure derived from several rows, with the promise it is held against. */
export interface Comparison {
  readonly name: string;
  readonly value: number | null;
  readonly target: Target | null;
  /** Null when there is no value or no target. */
  readonly met: boolean | null;
}

export interface Answer {
  /** What is to lie beside the result, by file name: pictures, and all figures of which the rows show some. */
  readonly files?: Readonly<Record<string, string>>;
  readonly sizes: Readonly<Record<string, number | readonly number[] | string>>;
  readonly rows: readonly Row[];
  readonly comparisons: readonly Comparison[];
  /** How to read the rows: what is inside the measured interval and what is not. */
  readonly notes: readonly string[];
}

export interface BenchResult extends Omit<Answer, 'files'> {
  readonly question: string;
  readonly quick: boolean;
  readonly startedAt: string;
  readonly machine: Machine;
}

export const row = (
  subject: string,
  figures: Readonly<Record<string, number | null>>,
  reason: string | null = null,
): Row => ({
  subject,
  figures: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)])),
  reason,
});

/** An error as a reason: one line, because it stands in a table's notes. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').slice(0, 300);

export const compare = (name: string, value: number | null, target: Target | null = null): Comparison => {
  if (value === null || target === null) return { name, value: round(value), target, met: null };
  const met = value >= (target.atLeast ?? -Infinity) && value <= (target.atMost ?? Infinity);
  return { name, value: round(value), target, met };
};

export const toMarkdown = (result: BenchResult): string => {
  const columns = [...new Set(result.rows.flatMap((entry) => Object.keys(entry.figures)))];
  const lines = [
    tableLine(['', ...columns.map(columnTitle)]),
    tableLine(['---', ...columns.map(() => '---:')]),
    ...result.rows.map((entry) =>
      tableLine([entry.subject, ...columns.map((name) => figureText(entry.figures, name))]),
    ),
    '',
    tableLine(['comparison, within this run', 'value', 'target', 'met']),
    tableLine(['---', '---:', '---', '---']),
    ...result.comparisons.map((entry) =>
      tableLine([
        entry.name,
        numberText(entry.value),
        targetText(entry.target),
        entry.met === null ? '' : entry.met ? 'yes' : 'no',
      ]),
    ),
    '',
    ...result.rows
      .filter((entry) => entry.reason !== null)
      .map((entry) => `- Not measured: ${entry.subject}: ${entry.reason}`),
    ...result.notes.map((note) => `- ${note}`),
    `- ${provenance(result)}`,
  ];
  return lines.join('\n');
};

const provenance = ({ machine, startedAt, quick, sizes }: BenchResult): string => {
  const versions = Object.entries(machine.versions).map(
    ([name, version]) => `${name} ${version ?? 'absent'}`,
  );
  const size = Object.entries(sizes).map(([name, value]) => `${name} ${String(value)}`);
  return `${startedAt.slice(0, 10)}, commit ${machine.commit ?? 'unknown'}${quick ? ', QUICK RUN' : ''}; ${
    machine.cores
  } cores of ${machine.cpuModel}, ${machine.memoryGb} GB, ${machine.kernel}; ${versions.join(', ')}; ${size.join(', ')}.`;
};

const tableLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** `latencyP50Ms` reads `latency p50 ms`. */
const columnTitle = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/per second/, '/ s');

const figureText = (figures: Row['figures'], name: string): string =>
  name in figures ? numberText(figures[name] ?? null) : '';

export const numberText = (value: number | null): string =>
  value === null ? 'n/a' : value.toLocaleString('en-US', { maximumSignificantDigits: 4 });

export const targetText = (target: Target | null): string => {
  if (target === null) return '';
  return target.atLeast === undefined ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
};
