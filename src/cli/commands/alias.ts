/** `strata alias`: names for versions; moving one rolls a function forward or back. */
import { type Command, InvalidArgumentError } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { allPages, functionPath } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface AliasOptions {
  readonly weight?: Readonly<Record<string, number>>;
  readonly description?: string;
  readonly delete?: true;
}

interface Alias {
  readonly alias: string;
  readonly version: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly updatedAt: string;
  readonly description: string;
}

const HEADING = ['ALIAS', 'VERSION', 'WEIGHTS', 'UPDATED', 'DESCRIPTION'];

export const addAlias = (program: Command, context: CliContext): void => {
  program
    .command('alias')
    .description('list the aliases of a function, show one, or point one to a version')
    .argument('<name>')
    .argument('[alias]')
    .argument('[version]', 'the version it is to point to; a former one rolls back')
    .option('--weight <version=share>', 'a second version, and its share of the calls, as 4=0.1', weight)
    .option('--description <text>')
    .option('--delete', 'delete the alias')
    .action(async (...given: [string, string?, string?, AliasOptions?, Command?]) => {
      const [name, alias, version, options = {}, command = program] = given;
      const client = clientOf(command, context);
      if (alias === undefined) {
        const aliases = await allPages<Alias>(client, functionPath(name, '/aliases'), 'aliases');
        printLine(context.stdout, table([HEADING, ...aliases.map(rowOf)]));
        return;
      }
      const path = functionPath(name, `/aliases/${encodeURIComponent(alias)}`);
      if (options.delete === true) {
        await client.call('DELETE', path);
        printLine(context.stdout, `deleted ${name} alias ${alias}`);
        return;
      }
      if (version === undefined) {
        printLine(context.stdout, table([HEADING, rowOf(await client.json<Alias>('GET', path))]));
        return;
      }
      const { weight: weights = {}, description } = options;
      const body = { version, weights, ...(description === undefined ? {} : { description }) };
      const set = await client.json<Alias>('PUT', path, {
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
      });
      printLine(context.stdout, `${name} alias ${set.alias} is version ${targetOf(set)}`);
    });
};

/** `4=0.1`; the server checks the bounds. */
const weight = (text: string): Record<string, number> => {
  const [, version = '', share = ''] = /^([^=]{1,64})=(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})$/.exec(text) ?? [];
  if (version === '') throw new InvalidArgumentError('It must be a version, "=", and a share, as 4=0.1.');
  return { [version]: Number(share) };
};

const rowOf = (alias: Alias): string[] => [
  ...[alias.alias, alias.version, weightsOf(alias), alias.updatedAt, oneLine(alias.description)],
];

const weightsOf = ({ weights }: Alias): string =>
  Object.entries(weights)
    .map(([version, share]) => `${version}=${share}`)
    .join(', ');

const targetOf = (alias: Alias): string => {
  const weights = weightsOf(alias);
  return weights === '' ? alias.version : `${alias.version}, with ${weights}`;
};
