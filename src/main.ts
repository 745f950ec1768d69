/**
 * The process: the only place that reads its arguments and environment, and hands them to the CLI.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { runCli } from './cli/program.ts';

// A reader that has seen enough, as `strata list | head -1`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  fetch,
  signals: process,
  wait: (ms, signal) => wait(ms, undefined, { signal }),
  exit: (code) => process.exit(code),
});
