/**
 * The command line of a bench: `[--quick] [--json] [--trace DIR] [--minutes N] [--one-by-one]`, and the frame around its answer.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/ports/clock.ts';
import { endOnSignals } from './children.ts';
import { readMachine } from './machine.ts';
import { type Answer, type BenchResult, toMarkdown } from './result.ts';

export interface BenchOptions {
  /** Small sizes: proves that everything runs; its figures are no evidence. */
  readonly quick: boolean;
  /** A folder with a trace in Azure's CSV format; null for a generated one. */
  readonly trace: string | null;
  /** How long each policy is replayed; null for the bench's own choice. */
  readonly minutes: number | null;
  /** Policies are replayed one after the other, each with the machine to itself, and not side by side. */
  readonly oneByOne: boolean;
}

/** For `parseArgs`. */
export const BENCH_FLAGS = {
  quick: { type: 'boolean', default: false },
  trace: { type: 'string' },
  minutes: { type: 'string' },
  'one-by-one': { type: 'boolean', default: false },
} as const;

export const optionsFrom = (flags: {
  readonly quick: boolean;
  readonly trace?: string | undefined;
  readonly minutes?: string | undefined;
  readonly 'one-by-one': boolean;
}): BenchOptions => {
  const { quick, trace = process.env.STRATA_TRACE, minutes } = flags;
  if (minutes !== undefined && !(Number(minutes) > 0))
    throw new Error(`--minutes is ${minutes}; it must be a number above 0`);
  return {
    quick,
    // A quick run proves the same on every machine.
    trace: quick || trace === undefined || trace === '' ? null : trace,
    minutes: minutes === undefined ? null : Number(minutes),
    oneByOne: flags['one-by-one'],
  };
};

export interface Bench {
  readonly question: string;
  measure(options: BenchOptions): Promise<Answer>;
}

export interface Answered {
  readonly result: BenchResult;
  /** Beside the result, by name. */
  readonly files: Readonly<Record<string, string>>;
}

export const answer = async (bench: Bench, options: BenchOptions): Promise<Answered> => {
  const startedAt = new Date(systemClock.wallMs()).toISOString();
  const machine = readMachine();
  const { sizes, rows, comparisons, notes, files = {} } = await bench.measure(options);
  const { question } = bench;
  const { quick } = options;
  return { result: { question, quick, startedAt, machine, sizes, rows, comparisons, notes }, files };
};

export const runFromCommandLine = async (bench: Bench): Promise<void> => {
  endOnSignals();
  const { values } = parseArgs({
    options: { ...BENCH_FLAGS, json: { type: 'boolean', default: false } },
  });
  const { result } = await answer(bench, optionsFrom(values));
  process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : toMarkdown(result)}\n`);
};

/** Progress goes to stderr, so that stdout is the answer alone. */
export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
