/**
 * `strata serve`: the executor behind its HTTP API, until a signal ends it.
 *
 * People read stdout: where it listens, how code is confined, what is served, and a line to try. The log, one JSON object a line,
 * goes to stderr.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type Logger, pino } from 'pino';
import { ACCOUNTS_FILE } from '../../accounts/accounts.ts';
import { drainOnSignals, listen } from '../../api/lifecycle.ts';
import { assertReachable } from '../../api/loopback.ts';
import { createServer } from '../../api/server.ts';
import { type Config, describeConfig, loadConfig } from '../../config/config.ts';
import { StrataError } from '../../core/errors.ts';
import { STRATA_VERSION } from '../../core/version.ts';
import type { Executor } from '../../invocation/api.ts';
import { systemClock } from '../../ports/clock.ts';
import { type CliContext, printLine } from '../context.ts';
import { wholeNumber } from '../options.ts';
import { accessLines, welcomeLines } from '../welcome.ts';

interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly dataDir?: string;
  readonly config?: string;
  readonly examples?: true;
}

/** The log is written in blocks, because a write for every line would cost more than a warm invocation. */
const LOG_BLOCK_BYTES = 4_096;
const LOG_FLUSH_MS = 250;

const EXAMPLE = 'hello';

const SETTINGS_HELP = `
Every setting, of which these are a few, is also an environment variable, such as STRATA_SERVER_PORT or
STRATA_MACHINE_MEMORY_MB, and a member of the JSON file that --config or STRATA_CONFIG names. An option goes before
the environment, the environment before the file. docs/config.md lists them all with their defaults and bounds.`;

export const addServe = (program: Command, context: CliContext): void => {
  program
    .command('serve')
    .description('serve the HTTP API')
    .option('--host <address>', 'the address to listen on; loopback only until there are keys')
    .option('--port <n>', 'the port to listen on; 0 takes any free one', portNumber)
    .option('--data-dir <folder>', 'where functions are kept')
    .option('--config <file>', 'a JSON file with the configuration')
    .option('--examples', `deploy the example function "${EXAMPLE}" unless it is there already`)
    .addHelpText('after', SETTINGS_HELP)
    .action((options: ServeOptions) => serve(options, context));
};

const portNumber = (value: string): number => {
  const port = wholeNumber(value);
  if (port > 65_535) throw new InvalidArgumentError('A port is 0 to 65535.');
  return port;
};

const serve = async (options: ServeOptions, context: CliContext): Promise<void> => {
  const config = configOf(options, context);
  assertReachable(config.server.host, isSurelyOpen(config));
  const logger = pino(
    { level: config.log.level },
    pino.destination({ dest: 2, sync: false, minLength: LOG_BLOCK_BYTES, periodicFlush: LOG_FLUSH_MS }),
  );
  const settings = Object.fromEntries(describeConfig(config).map(({ key, value }) => [key, value]));
  logger.debug({ config: settings }, 'configuration');

  // Loaded here only: the other commands need no executor.
  const { createExecutor } = await import('../../index.ts');
  const executor = await createExecutor({ ...config, logger });
  try {
    if (options.examples) await deployExample(executor);
    const url = await start(executor, config, logger, context);
    printWelcome(url, executor, config, options, context);
  } catch (error) {
    await executor.close();
    throw error;
  }
};

/** Before anything is started; whether there are keys in the data folder is known when it has been opened. */
const isSurelyOpen = ({ auth, dataDir }: Config): boolean =>
  auth.mode === 'auto' &&
  auth.adminKey === '' &&
  auth.adminKeyFile === '' &&
  auth.jwtIssuer === '' &&
  !existsSync(join(dataDir, ACCOUNTS_FILE));

const configOf = (options: ServeOptions, context: CliContext): Config =>
  loadConfig({
    env: context.env,
    file: options.config,
    overrides: {
      ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
      server: {
        ...(options.host === undefined ? {} : { host: options.host }),
        ...(options.port === undefined ? {} : { port: options.port }),
      },
    },
  });

const start = async (
  executor: Executor,
  config: Config,
  logger: Logger,
  { signals, exit }: CliContext,
): Promise<string> => {
  const app = createServer({ executor, config, logger });
  const { isOpen } = executor.accounts;
  const url = await listen(app, config.server.host, config.server.port, isOpen);
  const { drainTimeoutMs } = config.server;
  drainOnSignals({ app, executor, logger, clock: systemClock, drainTimeoutMs, signals, exit });
  if (isOpen) logger.warn('there are no keys: whoever can connect may do anything as any tenant');
  logger.info({ url, version: STRATA_VERSION }, 'listening');
  executor.ready().then(
    () => logger.info('ready'),
    (error: unknown) => logger.error({ err: error }, 'the first sandboxes could not be started'),
  );
  return url;
};

const deployExample = async (executor: Executor): Promise<void> => {
  try {
    executor.get(EXAMPLE);
    return;
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'not_found') throw error;
  }
  const source = await readFile(new URL(`../../../examples/${EXAMPLE}.js`, import.meta.url), 'utf8');
  await executor.deploy({
    name: EXAMPLE,
    runtime: 'isolate',
    code: { source },
    description: 'The example that comes with Strata.',
  });
};

const printWelcome = (
  url: string,
  executor: Executor,
  config: Config,
  options: ServeOptions,
  { stdout }: CliContext,
): void => {
  printLine(stdout, `Strata ${STRATA_VERSION} listens on ${url} (documentation: ${url}/docs)`);
  for (const line of [...welcomeLines(executor), ...accessLines(executor.accounts.isOpen, config)])
    printLine(stdout, line);
  const key = executor.accounts.isOpen ? '' : ' -H "Authorization: Bearer $STRATA_API_KEY"';
  printLine(stdout, 'Try it:');
  if (options.examples) {
    printLine(
      stdout,
      `  curl -s${key} -X POST ${url}/v1/functions/${EXAMPLE}/invocations -d '{"name":"Ada"}'`,
    );
  } else {
    printLine(stdout, `  curl -s${key} ${url}/v1/functions`);
  }
};
