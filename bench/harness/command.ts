/**
 * The command line of a bench: `[--quick] [--json]`, and the frame around its answer.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/ports/clock.ts';
import { readMachine } from './machine.ts';
import { type Answer, type BenchResult, toMarkdown } from './result.ts';

export interface BenchOptions {
  /** Small sizes: proves that everything runs; its figures are no evidence. */
  readonly quick: boolean;
}

export interface Bench {
  readonly question: string;
  measure(options: BenchOptions): Promise<Answer>;
}

export const answer = async (bench: Bench, options: BenchOptions): Promise<BenchResult> => {
  const startedAt = new Date(systemClock.wallMs()).toISOString();
  const machine = readMachine();
  const { sizes, rows, comparisons, notes } = await bench.measure(options);
  return {
    question: bench.question,
    quick: options.quick,
    startedAt,
    machine,
    sizes,
    rows,
    comparisons,
    notes,
  };
};

export const runFromCommandLine = async (bench: Bench): Promise<void> => {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const result = await answer(bench, { quick: values.quick });
  process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : toMarkdown(result)}\n`);
};

/** Progress goes to stderr, so that stdout is the answer alone. */
export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
