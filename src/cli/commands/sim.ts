/** `strata sim`: plays a trace against keep-warm policies on a virtual clock, and compares them. */
import { stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { StrataError } from '../../core/errors.ts';
import type { Tier } from '../../core/spec.ts';
import { POLICY_NAMES, type PolicyName } from '../../pool/policy/api.ts';
import type { Simulate } from '../../simulator/api.ts';
import type { Trace } from '../../simulator/trace.ts';
import { type CliContext, printLine } from '../context.ts';
import { choiceList, numberList, wholeNumberIn } from '../options.ts';
import { oneLine, table } from '../text.ts';

const TIERS: readonly Tier[] = ['isolate', 'container'];
const BUDGETS_GB: readonly number[] = [4, 16, 64];
const BUDGET_MAX_GB = 16_384;
const BUDGETS_MAX = 8;
const COUNT_MAX = 1_000_000_000;
const SEED_MAX = 2 ** 32 - 1;

const FUNCTIONS = 500;
const MINUTES = 480;

/** The halves stay the same whatever the seed of a run is: what was tuned on one was never seen in the other. */
const HALVES_SEED = 1;

export const addSim = (program: Command, context: CliContext, simulate: Simulate): void => {
  const count = wholeNumberIn(1, COUNT_MAX);
  program
    .command('sim')
    .description('play a trace against keep-warm policies, and compare them')
    .addOption(
      new Option('--trace <dir>', "a folder with a trace in Azure's CSV format").conflicts('generate'),
    )
    .option('--generate', 'play a generated trace')
    .option('--functions <n>', `of a generated trace (default: ${FUNCTIONS})`, count)
    .option('--minutes <n>', `of a generated trace (default: ${MINUTES}), or the first of a read one`, count)
    .option('--invocations <n>', 'of a generated trace, roughly (default: as many as usual)', count)
    .addOption(
      new Option('--policies <list>', 'what to compare')
        .argParser(choiceList(POLICY_NAMES))
        .default(POLICY_NAMES, POLICY_NAMES.join(',')),
    )
    .addOption(
      new Option('--budgets-gb <list>', 'memory for sandboxes, gigabytes')
        .argParser(numberList(BUDGET_MAX_GB, BUDGETS_MAX))
        .default(BUDGETS_GB, BUDGETS_GB.join(',')),
    )
    .addOption(
      new Option('--tier <list>', 'whose costs to use')
        .argParser(choiceList(TIERS))
        .default(TIERS, TIERS.join(',')),
    )
    .option('--seed <n>', 'of all that is left to chance', wholeNumberIn(0, SEED_MAX), 1)
    .addOption(new Option('--half <n>', 'play one half of the functions, split by owner').choices(['1', '2']))
    .option('--json', 'as JSON')
    .option('--svg <file>', 'write a plot too')
    .action((options: SimOptions, command: Command) => run(options, command, context, simulate));
};

interface SimOptions {
  readonly trace?: string;
  readonly generate?: true;
  readonly functions?: number;
  readonly minutes?: number;
  readonly invocations?: number;
  readonly policies: readonly PolicyName[];
  readonly budgetsGb: readonly number[];
  readonly tier: readonly Tier[];
  readonly seed: number;
  readonly half?: '1' | '2';
  readonly json?: true;
  readonly svg?: string;
}

const run = async (
  options: SimOptions,
  command: Command,
  context: CliContext,
  simulate: Simulate,
): Promise<void> => {
  checkSource(options, command);
  if (options.svg !== undefined) await checkPlace(options.svg);
  const progress = (message: string): void => printLine(context.stderr, oneLine(message));
  progress(options.trace === undefined ? 'generating the trace' : `reading ${options.trace}`);
  const trace = await traceOf(options);
  for (const note of trace.notes) progress(`note: ${note}`);
  progress(`${trace.functions.length} functions, ${trace.invocations} invocations, ${trace.minutes} minutes`);
  const { policies, budgetsGb, tier: tiers, seed } = options;
  const result = await simulate({ trace, policies, budgetsGb, tiers, seed, progress });

  const { LEGEND, reportOf, sectionsOf } = await import('../../simulator/report.ts');
  if (options.svg !== undefined) {
    const { plotOf } = await import('../../simulator/plot.ts');
    await write(options.svg, plotOf(result));
    progress(`wrote ${options.svg}`);
  }
  if (options.json) {
    printLine(context.stdout, JSON.stringify(reportOf(result, { ...options }), null, 2));
    return;
  }
  const sections = sectionsOf(result).map(
    ({ title, rows }) => `${title}\n${table(rows.map((row) => row.map(oneLine)))}`,
  );
  printLine(context.stdout, [...sections, LEGEND.join('\n')].join('\n\n'));
};

/** What contradicts each other is wrong usage, said before anything is read. */
const checkSource = (options: SimOptions, command: Command): void => {
  if ((options.trace === undefined) === (options.generate === undefined))
    command.error("error: give either '--trace <dir>' or '--generate'");
  const stray = (['functions', 'invocations'] as const).find((name) => options[name] !== undefined);
  if (options.trace !== undefined && stray !== undefined)
    command.error(`error: '--${stray}' is of a generated trace; it goes with '--generate' only`);
};

const traceOf = async (options: SimOptions): Promise<Trace> => {
  const whole =
    options.trace === undefined ? await generated(options) : await read(options.trace, options.minutes);
  if (options.half === undefined) return whole;
  const { halves } = await import('../../simulator/slices.ts');
  return halves(whole, HALVES_SEED)[options.half === '1' ? 0 : 1];
};

const generated = async (options: SimOptions): Promise<Trace> => {
  const { generateTrace, usualInvocations } = await import('../../simulator/generator.ts');
  const { functions = FUNCTIONS, minutes = MINUTES, seed } = options;
  const invocations = options.invocations ?? usualInvocations(functions, minutes);
  return generateTrace({ functions, minutes, invocations, seed });
};

const read = async (folder: string, minutes: number | undefined): Promise<Trace> => {
  const { readAzureTrace } = await import('../../simulator/azure-trace.ts');
  const trace = await readAzureTrace(folder);
  if (minutes === undefined) return trace;
  if (minutes > trace.minutes)
    throw new StrataError(
      'invalid_request',
      `${folder} has ${trace.minutes} minutes; --minutes is ${minutes}.`,
    );
  const { scaled } = await import('../../simulator/slices.ts');
  const { startMinute } = trace;
  return scaled(trace, { minutes: [startMinute, startMinute + minutes], rateFactor: 1, seed: 0 });
};

/** A plot that cannot be written is said before the minutes of simulation, not after. */
const checkPlace = async (file: string): Promise<void> => {
  const folder = dirname(resolve(file));
  const status = await stat(folder).catch(() => null);
  if (status?.isDirectory() !== true)
    throw new StrataError('invalid_request', `--svg ${file}: there is no folder ${folder}; make it first.`);
  const there = await stat(file).catch(() => null);
  if (there !== null && !there.isFile())
    throw new StrataError('invalid_request', `--svg ${file} is there and no file; give another name.`);
};

const write = async (file: string, text: string): Promise<void> => {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new StrataError('invalid_request', `--svg ${file} cannot be written (${reason}).`, { cause });
  }
};
