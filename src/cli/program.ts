/**
 * The command line: the commands, the global options, and what every error becomes.
 *
 * Exit codes: 0 done, 1 refused or failed (`code: detail` on stderr, then when to retry or what the function threw), 2
 * wrong usage.
 */
import { Command, CommanderError } from 'commander';
import { StrataError } from '../core/errors.ts';
import { STRATA_VERSION } from '../core/version.ts';
import { ProblemError } from './client.ts';
import { addAlias } from './commands/alias.ts';
import { addAudit } from './commands/audit.ts';
import { addDeadLetters, addRedrive } from './commands/dead-letters.ts';
import { addDelete } from './commands/delete.ts';
import { addDeploy } from './commands/deploy.ts';
import { addDoctor } from './commands/doctor.ts';
import { addImages } from './commands/images.ts';
import { addInvoke } from './commands/invoke.ts';
import { addKeys } from './commands/keys.ts';
import { addList } from './commands/list.ts';
import { addLogs } from './commands/logs.ts';
import { addPools } from './commands/pools.ts';
import { addPublish } from './commands/publish.ts';
import { addServe } from './commands/serve.ts';
import { addSim } from './commands/sim.ts';
import { addStats } from './commands/stats.ts';
import { addTenants } from './commands/tenants.ts';
import { addReceipt, addUsage } from './commands/usage.ts';
import { addVersions } from './commands/versions.ts';
import { type CliContext, DEFAULT_URL, printLine } from './context.ts';

/** Runs one command line, given without the interpreter and the script; answers the exit code. */
export const runCli = async (argv: readonly string[], context: CliContext): Promise<number> => {
  try {
    await buildProgram(context).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, context);
  }
};

const buildProgram = (context: CliContext): Command => {
  const program = new Command('strata')
    .description('Runs untrusted functions from warm layers.')
    .version(STRATA_VERSION)
    .option('--url <url>', `the server to talk to; STRATA_URL, else ${DEFAULT_URL}`)
    .option('--tenant <name>', 'the tenant to act as (default: the key\'s own, else "default")')
    .option('--key-file <file>', 'the file with the API key; else STRATA_API_KEY')
    .exitOverride()
    .showHelpAfterError('(strata --help lists the commands)')
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    });
  const commands = [
    addServe,
    addDeploy,
    addPublish,
    addVersions,
    addAlias,
    addInvoke,
    addList,
    addLogs,
    addStats,
    addDeadLetters,
    addRedrive,
    addDelete,
    addPools,
    addUsage,
    addReceipt,
    addKeys,
    addTenants,
    addAudit,
    addImages,
    addDoctor,
  ];
  for (const add of commands) add(program, context);
  // Loaded here only: the other commands need no simulation.
  addSim(program, context, async (options) => (await import('../simulator/simulation.ts')).simulate(options));
  return program;
};

const report = (error: unknown, context: CliContext): number => {
  // Commander has printed its message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof StrataError || error instanceof ProblemError) {
    printLine(context.stderr, `${error.code}: ${error.message}`);
    if (!(error instanceof ProblemError)) return 1;
    if (error.retryAfterMs !== null) printLine(context.stderr, `retry in ${error.retryAfterMs} ms`);
    if (error.stackText !== null) printLine(context.stderr, error.stackText);
    return 1;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  printLine(context.stderr, `internal_error: ${text}`);
  return 1;
};
