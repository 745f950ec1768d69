/** `strata invoke`: calls a function once; the result on stdout, what it took on stderr. */
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type Command, Option } from 'commander';
import { StrataError } from '../../core/errors.ts';
import { STARTS } from '../../core/receipt.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath, wholeNumber } from '../options.ts';
import { oneLine } from '../text.ts';

interface InvokeOptions {
  readonly data?: string;
  readonly qualifier?: string;
  readonly sessionKey?: string;
  readonly requireStart?: string;
  readonly maxWaitMs?: number;
  readonly dryRun?: true;
  readonly async?: true;
  readonly idempotencyKey?: string;
  readonly verbose?: true;
}

export const addInvoke = (program: Command, context: CliContext): void => {
  program
    .command('invoke')
    .description('invoke a function')
    .argument('<name>')
    .addArgument(program.createArgument('[input]', '- reads the event from stdin').choices(['-']))
    .option('-d, --data <json>', 'the event; @file reads a file, - reads stdin (default: {})')
    .option('--qualifier <version>', 'a version or an alias')
    .option('--session-key <key>', 'of an alias with two versions, stay at one')
    .addOption(new Option('--require-start <layer>', 'start exactly from this layer').choices(STARTS))
    .option('--max-wait-ms <n>', 'wait no longer for an instance', wholeNumber)
    .option('--dry-run', 'load and initialise the code, and do not call the handler')
    .option('--async', 'accept the event now and run it later; prints where it stands')
    .option('--idempotency-key <key>', 'with --async: the same key and event are one invocation')
    .option('-v, --verbose', 'start, phases and cost on stderr')
    .action(async (name: string, input: string | undefined, options: InvokeOptions, command: Command) => {
      const { requireStart, maxWaitMs, idempotencyKey, sessionKey } = options;
      const answer = await clientOf(command, context).call('POST', functionPath(name, '/invocations'), {
        body: await eventOf(options.data ?? input, context.stdin),
        query: { qualifier: options.qualifier, mode: modeOf(options) },
        headers: {
          'Content-Type': 'application/json',
          ...(requireStart === undefined ? {} : { 'Strata-Require-Start': requireStart }),
          ...(idempotencyKey === undefined ? {} : { 'Strata-Idempotency-Key': idempotencyKey }),
          ...(sessionKey === undefined ? {} : { 'Strata-Session-Key': sessionKey }),
          ...(maxWaitMs === undefined ? {} : { 'Strata-Max-Wait-Ms': String(maxWaitMs) }),
        },
      });
      context.stdout.write(answer.body);
      context.stdout.write('\n');
      if (options.verbose && !options.async) printLine(context.stderr, summaryOf(answer.headers));
    });
};

const modeOf = ({ dryRun, async: later }: InvokeOptions): string | undefined => {
  if (dryRun && later)
    throw new StrataError('invalid_request', '--dry-run and --async contradict each other; take one.');
  return later ? 'async' : dryRun && 'dry-run';
};

const eventOf = async (data: string | undefined, stdin: Readable): Promise<string | Uint8Array> => {
  if (data === undefined) return '{}';
  if (data === '-') return Buffer.concat(await stdin.toArray());
  if (!data.startsWith('@')) return data;
  try {
    return await readFile(data.slice(1));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrataError('invalid_request', `The event file ${data.slice(1)} cannot be read (${code}).`, {
      cause,
    });
  }
};

const summaryOf = (headers: Headers): string => {
  const value = (name: string): string => oneLine(headers.get(name) ?? '?');
  const phases = value('Server-Timing').replaceAll(';dur=', ' ');
  return [
    `invocation ${value('Strata-Invocation-Id')}, version ${value('Strata-Version')}`,
    `start      ${value('Strata-Start')}`,
    `phases ms  ${phases}`,
    `cost       ${value('Strata-Cu-Seconds')} CU-seconds`,
  ].join('\n');
};
