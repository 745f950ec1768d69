/**
 * `npm run check`: everything that can be said without a sandbox, in under a minute, without a network.
 *
 * Runs the steps two at a time, prints one line for each as it ends, then what the failed ones said. Fails when one
 * of them does.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './tidy/source.ts';

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

const BIN = join(ROOT, 'node_modules', '.bin');

const tool = (name: string, command: string, ...args: string[]): Step => ({
  name,
  command: join(BIN, command),
  args,
});
const script = (name: string, ...args: string[]): Step => ({ name, command: process.execPath, args });

/** The longest first, so that the short ones fill the other core. */
const STEPS: readonly Step[] = [
  // One process for many files: to start one for each and to load the sources again takes half of the time.
  tool('unit tests', 'vitest', 'run', '--project', 'unit', '--no-isolate'),
  tool('unused code', 'knip', '--no-progress', '--treat-config-hints-as-errors'),
  tool('types', 'tsc', '-p', '.'),
  tool('format and lint', 'biome', 'check', '.'),
  script('style', 'scripts/tidy.ts'),
  script('generated docs', 'scripts/docs.ts', '--check'),
  script('security report', 'scripts/security-report.ts', '--check'),
  // Until a bench has run there is nothing that the tables could differ from.
  ...(existsSync(join(ROOT, 'bench', 'results'))
    ? [script('bench tables', 'bench/tables.ts', '--check')]
    : []),
];

const PARALLEL = Math.min(2, availableParallelism());

const run = (step: Step): Promise<Outcome> =>
  new Promise((resolve) => {
    const startedMs = performance.now();
    const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}`, NO_COLOR: '1' };
    const child = spawn(step.command, step.args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const end = (ok: boolean): void =>
      resolve({ step, ok, seconds: (performance.now() - startedMs) / 1000, output });
    child.on('error', (error) => {
      output += `${error.message}; run npm install first\n`;
      end(false);
    });
    child.on('close', (code) => end(code === 0));
  });

const startedMs = performance.now();
const waiting = [...STEPS];
const outcomes: Outcome[] = [];
const work = async (): Promise<void> => {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const outcome = await run(step);
    outcomes.push(outcome);
    const verdict = outcome.ok ? 'passed' : 'FAILED';
    console.log(`${verdict}  ${step.name.padEnd(16)} ${outcome.seconds.toFixed(1).padStart(5)} s`);
  }
};
await Promise.all(Array.from({ length: PARALLEL }, work));

const failed = outcomes.filter(({ ok }) => !ok);
for (const { step, output } of failed) console.log(`\n── ${step.name} ──\n${output.trim()}`);
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
console.log(`\n${outcomes.length - failed.length} of ${outcomes.length} steps passed in ${seconds} s`);
if (failed.length > 0) process.exitCode = 1;
