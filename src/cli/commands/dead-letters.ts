/** `strata dead-letters` and `strata redrive`: what failed for good, and once more from the beginning. */
import type { Command } from 'commander';
import type { AsyncPage } from '../../invocation/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath, wholeNumber } from '../options.ts';
import { oneLine } from '../text.ts';

const DETAIL_MAX_CHARS = 120;

export const addDeadLetters = (program: Command, context: CliContext): void => {
  program
    .command('dead-letters')
    .description('the asynchronous invocations of a function that failed for good, the newest first')
    .argument('<name>')
    .option('-n, --lines <n>', 'how many', wholeNumber, 100)
    .option('--discard', 'discard the oldest 1,000 instead')
    .action(async (name: string, options: { lines: number; discard?: true }, command: Command) => {
      const client = clientOf(command, context);
      const path = functionPath(name, '/dead-letters');
      if (options.discard) {
        const { discarded } = await client.json<{ discarded: number }>('DELETE', path);
        printLine(context.stdout, `discarded ${discarded}`);
        return;
      }
      const { invocations } = await client.json<AsyncPage>('GET', path, {
        query: { limit: String(options.lines) },
      });
      for (const { invocationId, finishedAt, attempts, status, failure } of invocations) {
        const why = failure === null ? status : `${failure.code}: ${failure.detail}`;
        const line = `${invocationId}  ${finishedAt ?? '?'}  ${attempts} attempts  ${why}`;
        printLine(context.stdout, oneLine(line).slice(0, invocationId.length + DETAIL_MAX_CHARS));
      }
    });
};

export const addRedrive = (program: Command, context: CliContext): void => {
  program
    .command('redrive')
    .description('queue dead letters of a function anew: one, or the oldest 1,000')
    .argument('<name>')
    .argument('[id]', 'of one dead letter')
    .action(async (name: string, id: string | undefined, _options: unknown, command: Command) => {
      const letter = id === undefined ? '' : `/${encodeURIComponent(id)}`;
      const path = functionPath(name, `/dead-letters${letter}/redrive`);
      const { redriven } = await clientOf(command, context).json<{ redriven: number }>('POST', path);
      printLine(context.stdout, `redriven ${redriven}`);
    });
};
