/** `strata logs`: the newest log lines of a function, oldest first. */
import type { Command } from 'commander';
import type { FunctionLogLine } from '../../invocation/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath, wholeNumber } from '../options.ts';
import { oneLine } from '../text.ts';

export const addLogs = (program: Command, context: CliContext): void => {
  program
    .command('logs')
    .description('the newest log lines of a function, oldest first')
    .argument('<name>')
    .option('-n, --lines <n>', 'how many', wholeNumber, 100)
    .action(async (name: string, options: { lines: number }, command: Command) => {
      const { logs } = await clientOf(command, context).json<{ logs: readonly FunctionLogLine[] }>(
        'GET',
        functionPath(name, '/logs'),
        { query: { limit: String(options.lines) } },
      );
      for (const line of logs) {
        printLine(context.stdout, `${timeOf(line.timeMs)} ${line.level.padEnd(5)} ${oneLine(line.message)}`);
      }
    });
};

/** The guest's clock says when, and a guest can say anything. */
const timeOf = (timeMs: number): string => {
  const time = new Date(timeMs);
  return Number.isNaN(time.getTime()) ? '?' : time.toISOString();
};
