/** `strata stats`: how often a function was called of late, how that ended, and how long it took. */
import type { Command } from 'commander';
import type { FunctionStats, Percentiles } from '../../invocation/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface StatsOptions {
  readonly qualifier?: string;
  readonly json?: true;
}

const MINUTE_MS = 60_000;

export const addStats = (program: Command, context: CliContext): void => {
  program
    .command('stats')
    .description('how often a function was called of late, how that ended, and how long it took')
    .argument('<name>')
    .option('--qualifier <version>', 'a version or an alias; all versions together unless told')
    .option('--json', 'as JSON')
    .action(async (name: string, { qualifier, json }: StatsOptions, command: Command) => {
      const path = functionPath(name, '/stats');
      const stats = await clientOf(command, context).json<FunctionStats>('GET', path, {
        query: { qualifier },
      });
      printLine(context.stdout, json === true ? JSON.stringify(stats, null, 2) : statsText(stats));
    });
};

const statsText = (stats: FunctionStats): string => {
  const { windowMs, invocations, failed, errors, starts, handlerMs, startMs, cpuMs, maxMemoryMb } = stats;
  const rows = [
    ['invocations', `${invocations} in the last ${windowMs / MINUTE_MS} minutes`],
    ['failed', [String(failed), ...countsOf(errors)].join(', ')],
    ['starts', countsOf(starts).join(', ') || '-'],
    ['start, ms', percentilesText(startMs)],
    ['handler, ms', percentilesText(handlerMs)],
    ['cpu, ms', cpuMs === null ? '-' : `mean ${shown(cpuMs.mean)}, max ${shown(cpuMs.max)}`],
    ['memory', maxMemoryMb === null ? 'not measured' : `max ${shown(maxMemoryMb)} MB`],
  ];
  return table(rows.map((row) => row.map(oneLine)));
};

const countsOf = (counts: Readonly<Record<string, number>>): string[] =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);

const percentilesText = (percentiles: Percentiles | null): string =>
  percentiles === null
    ? '-'
    : Object.entries(percentiles)
        .map(([name, ms]) => `${name} ${shown(ms)}`)
        .join(', ');

/** Three digits are as many as percentiles have. */
const shown = (value: number): string => String(Number(value.toPrecision(3)));
