/** `strata images`: builds the images of the container tier's runtimes, and says which there are. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig } from '../../config/config.ts';
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../core/spec.ts';
import { type CliContext, printLine } from '../context.ts';
import { engineHost, keyValue } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface BuildOptions {
  readonly engineHost?: string;
  readonly from: 'auto' | 'registry' | 'machine';
  readonly force?: true;
  readonly base?: Readonly<Record<string, string>>;
}

interface PruneOptions {
  readonly engineHost?: string;
}

interface ListOptions {
  readonly engineHost?: string;
  readonly all?: true;
  readonly json?: true;
}

export const addImages = (program: Command, context: CliContext): void => {
  const images = program.command('images').description('the images of the runtimes that run in containers');
  images
    .command('build')
    .description('build the images that are missing, of all runtimes unless some are named')
    .argument('[runtime...]', `of ${CONTAINER_RUNTIMES.join(', ')}`, runtimes)
    .addOption(engineHost())
    .addOption(
      new Option(
        '--from <source>',
        'by Dockerfiles and a registry, from the packages of this machine, or as it goes',
      )
        .choices(['auto', 'registry', 'machine'])
        .default('auto'),
    )
    .option(
      '--base <NAME=image>',
      'another base image, as NODE_BASE=mirror.example/node:24; repeatable',
      keyValue,
    )
    .option('--force', 'build what is there already, too')
    .action((named: readonly ContainerRuntime[], options: BuildOptions) => build(named, options, context));
  images
    .command('prune')
    .description('remove the outdated images that no container uses, of all runtimes unless some are named')
    .argument('[runtime...]', `of ${CONTAINER_RUNTIMES.join(', ')}`, runtimes)
    .addOption(engineHost())
    .action((named: readonly ContainerRuntime[], options: PruneOptions) => prune(named, options, context));
  images
    .command('list')
    .description('list the images that are needed, and whether they are present')
    .addOption(engineHost())
    .option('--all', 'outdated images of other versions, too')
    .option('--json', 'as JSON')
    .action((options: ListOptions) => list(options, context));
};

/** Collects the arguments; commander hands in those before. */
const runtimes = (
  value: string,
  previous: readonly ContainerRuntime[] | undefined,
): readonly ContainerRuntime[] => {
  const runtime = CONTAINER_RUNTIMES.find((known) => known === value);
  if (runtime === undefined)
    throw new InvalidArgumentError(`It must be one of ${CONTAINER_RUNTIMES.join(', ')}.`);
  return [...new Set([...(previous ?? []), runtime])];
};

const build = async (
  named: readonly ContainerRuntime[],
  options: BuildOptions,
  context: CliContext,
): Promise<void> => {
  // Loaded here only: the other commands need nothing of the sandboxes.
  const { buildImages } = await import('../../sandbox/container/images/build.ts');
  const { systemCommands: commands } = await import('../../ports/commands.ts');
  const { engine, clock } = await connect(options.engineHost, context);
  const { from, force = false, base: bases = {} } = options;
  const say = (line: string): void => printLine(context.stdout, oneLine(line));
  const plan = { runtimes: named.length === 0 ? CONTAINER_RUNTIMES : named, from, force, bases };
  await buildImages(plan, { engine, clock, commands, say });
};

const prune = async (
  named: readonly ContainerRuntime[],
  options: PruneOptions,
  context: CliContext,
): Promise<void> => {
  const { pruneImages } = await import('../../sandbox/container/images/prune.ts');
  const { engine } = await connect(options.engineHost, context);
  let count = 0;
  await pruneImages(named.length === 0 ? CONTAINER_RUNTIMES : named, engine, ({ runtime, name, removed }) => {
    count += 1;
    printLine(
      context.stdout,
      oneLine(`${runtime}: ${name} ${removed ? 'removed' : 'kept, a container uses it'}`),
    );
  });
  if (count === 0) printLine(context.stdout, 'There are no outdated images.');
};

const HEADING = ['RUNTIME', 'IMAGE', 'STATE', 'SIZE', 'BUILT FROM', 'LANGUAGE'];

const list = async (options: ListOptions, context: CliContext): Promise<void> => {
  const { expectedImage, imageStates } = await import('../../sandbox/container/images/state.ts');
  const { engine } = await connect(options.engineHost, context);
  const states = await imageStates(engine).catch(async (thrown: unknown) => {
    if (!options.json) await listUnknown(expectedImage, context);
    throw thrown;
  });
  if (options.json) {
    printLine(context.stdout, JSON.stringify(states, null, 2));
    return;
  }
  const rows = states.flatMap(({ runtime, name, present, sizeBytes, builtFrom, language, outdated }) => [
    [runtime, name, present ? 'present' : 'missing', size(sizeBytes), builtFrom ?? '-', language ?? '-'],
    ...(options.all ? outdated : []).map((image) => [
      ...[runtime, image.name, 'outdated', size(image.sizeBytes), '-', '-'],
    ]),
  ]);
  printRows(rows, context);
  const hidden = options.all ? 0 : states.reduce((sum, { outdated }) => sum + outdated.length, 0);
  if (hidden > 0) printLine(context.stdout, `\nand ${hidden} outdated; --all shows them`);
  const absent = states.filter(({ present }) => !present).map(({ runtime }) => runtime);
  if (absent.length > 0) printLine(context.stdout, `\nTo build: strata images build ${absent.join(' ')}`);
};

/** What is needed is known without an engine; the error that follows says why no more is. */
const listUnknown = async (
  expectedImage: (runtime: ContainerRuntime) => Promise<string>,
  context: CliContext,
): Promise<void> => {
  const names = await Promise.all(CONTAINER_RUNTIMES.map((runtime) => expectedImage(runtime)));
  const rows = CONTAINER_RUNTIMES.map((runtime, at) => [
    ...[runtime, names[at] ?? '-', 'unknown', '-', '-', '-'],
  ]);
  printRows(rows, context);
};

const printRows = (rows: readonly (readonly string[])[], context: CliContext): void =>
  printLine(context.stdout, table([HEADING, ...rows.map((row) => row.map(oneLine))]));

const size = (bytes: number | null): string => (bytes === null ? '-' : `${Math.round(bytes / 1e6)} MB`);

const connect = async (host: string | undefined, context: CliContext) => {
  const { connectEngineImages } = await import('../../sandbox/container/images/engine-images.ts');
  const { systemClock: clock } = await import('../../ports/clock.ts');
  const engineHost = host ?? loadConfig({ env: context.env }).container.engineHost;
  return { engine: connectEngineImages(engineHost, clock), clock };
};
