/** `strata logs`: the newest log lines of a function, oldest first, and with `-f` those that come. */
import type { Command } from 'commander';
import type { FunctionLogLine, LogPage } from '../../invocation/api.ts';
import type { Client } from '../client.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath, wholeNumber } from '../options.ts';
import { oneLine } from '../text.ts';

interface LogsOptions {
  readonly lines: number;
  readonly follow?: true;
}

/** Between two looks for new lines. */
const FOLLOW_INTERVAL_MS = 1_000;
/** Lines of one answer while following; the server's bound. */
const PAGE_LINES = '1000';

export const addLogs = (program: Command, context: CliContext): void => {
  program
    .command('logs')
    .description('the newest log lines of a function, oldest first')
    .argument('<name>')
    .option('-n, --lines <n>', 'how many', wholeNumber, 100)
    .option('-f, --follow', 'go on with new lines until interrupted')
    .action(async (name: string, { lines, follow: isFollowing }: LogsOptions, command: Command) => {
      const client = clientOf(command, context);
      const path = functionPath(name, '/logs');
      const page = await client.json<LogPage>('GET', path, { query: { limit: String(lines) } });
      print(page, context);
      if (isFollowing === true) await follow(client, path, page.cursor, context);
    });
};

/** Ends with SIGINT or SIGTERM, which is how it is meant to end. */
const follow = async (client: Client, path: string, from: string, context: CliContext): Promise<void> => {
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  const signals = ['SIGINT', 'SIGTERM'];
  for (const signal of signals) context.signals.once(signal, stop);
  try {
    let cursor = from;
    let more = false;
    while (!stopped.signal.aborted) {
      if (!more) await context.wait(FOLLOW_INTERVAL_MS, stopped.signal);
      const query = { limit: PAGE_LINES, after: cursor };
      const page = await client.json<LogPage>('GET', path, { query });
      print(page, context);
      cursor = page.cursor;
      more = page.more;
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
  } finally {
    for (const signal of signals) context.signals.off(signal, stop);
  }
};

const print = ({ gap, logs }: LogPage, context: CliContext): void => {
  if (gap) printLine(context.stderr, 'Lines may be missing here: the server had forgotten them already.');
  for (const line of logs) printLine(context.stdout, textOf(line));
};

const textOf = ({ timeMs, level, message }: FunctionLogLine): string =>
  `${timeOf(timeMs)} ${level.padEnd(5)} ${oneLine(message)}`;

/** The guest's clock says when, and a guest can say anything. */
const timeOf = (timeMs: number): string => {
  const time = new Date(timeMs);
  return Number.isNaN(time.getTime()) ? '?' : time.toISOString();
};
