/**
 * `strata keys`: make, list, revoke and rotate API keys, at a server or in the data folder of one that does not run.
 *
 * A key goes to stdout alone, so that it can be sent to a file or a secret store; what is said of it goes to stderr.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { KeyInput, KeyView, NewKey } from '../../accounts/api.ts';
import { SCOPES, type Scope } from '../../core/identity.ts';
import { systemClock } from '../../ports/clock.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { onDataFolder } from '../data-folder.ts';
import { choiceList } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface Place {
  readonly dataDir?: string;
}

interface CreateOptions extends Place {
  readonly admin?: true;
  readonly scopes?: readonly Scope[];
  readonly name?: string;
  readonly expires?: string;
  readonly signing?: true;
}

const DATA_DIR = ['--data-dir <folder>', 'work on this data folder, of a server that does not run'] as const;

export const addKeys = (program: Command, context: CliContext): void => {
  const keys = program.command('keys').description('make, list, revoke and rotate API keys');
  keys
    .command('create')
    .description('make a key; it is printed once')
    .option('--admin', 'the scope admin: everything, for every tenant')
    .option('--scopes <list>', `some of ${SCOPES.join(',')}`, choiceList(SCOPES))
    .option('--name <text>', 'what it is for')
    .option('--expires <when>', 'a date such as 2030-01-31, or a time such as 90d or 12h', when)
    .option('--signing', 'let it sign requests too, with a secret of its own')
    .option(...DATA_DIR)
    .action((options: CreateOptions, command: Command) => create(options, command, context));
  keys
    .command('list')
    .description('list the keys of the tenant')
    .option(...DATA_DIR)
    .action(async (options: Place, command: Command) => {
      const tenant = tenantOf(command);
      const path = keysPath(tenant);
      const found = await atPlace(options, command, context, {
        local: (accounts) => accounts.listKeys(tenant),
        remote: async (client) => (await client.json<{ keys: KeyView[] }>('GET', path)).keys,
      });
      printLine(context.stdout, table([HEADING, ...found.map(rowOf)]));
    });
  keys
    .command('revoke')
    .description('end a key at once')
    .argument('<id>')
    .option(...DATA_DIR)
    .action(async (id: string, options: Place, command: Command) => {
      const tenant = tenantOf(command);
      await atPlace(options, command, context, {
        local: (accounts) => accounts.revokeKey(tenant, bare(id)),
        remote: async (client) =>
          void (await client.call('DELETE', `${keysPath(tenant)}/${encodeURIComponent(bare(id))}`)),
        noting: `DELETE ${keysPath(tenant)}/${bare(id)}`,
      });
      printLine(context.stdout, `revoked sk_${bare(id)}`);
    });
  keys
    .command('rotate')
    .description('make a key like this one, which holds for a while beside it')
    .argument('<id>')
    .option(
      '--overlap <time>',
      'how long the old one still holds, such as 0s or 12h (default: a day)',
      duration,
    )
    .option(...DATA_DIR)
    .action(async (id: string, options: Place & { overlap?: number }, command: Command) => {
      const tenant = tenantOf(command);
      const body = options.overlap === undefined ? {} : { overlapMs: options.overlap };
      const path = `${keysPath(tenant)}/${encodeURIComponent(bare(id))}/rotate`;
      const made = await atPlace(options, command, context, {
        local: (accounts) => accounts.rotateKey(tenant, bare(id), body, LOCAL),
        remote: (client) => client.json<NewKey>('POST', path, { body: JSON.stringify(body) }),
        noting: `POST ${path}`,
      });
      printKey(made, context);
    });
};

const LOCAL = 'operator';
const HEADING = ['ID', 'NAME', 'SCOPES', 'SIGNS', 'STATE', 'EXPIRES', 'LAST USED'];

const create = async (options: CreateOptions, command: Command, context: CliContext): Promise<void> => {
  const tenant = tenantOf(command);
  const scopes = options.admin ? (['admin'] as const) : options.scopes;
  if (scopes === undefined || (options.admin && options.scopes !== undefined))
    command.error('error: say what the key may do: either --admin or --scopes deploy,invoke,read');
  const input: KeyInput = {
    scopes,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.expires === undefined ? {} : { expiresAt: options.expires }),
    ...(options.signing === undefined ? {} : { signing: true }),
  };
  const made = await atPlace(options, command, context, {
    local: (accounts) => accounts.createKey(tenant, input, LOCAL),
    remote: (client) => client.json<NewKey>('POST', keysPath(tenant), { body: JSON.stringify(input) }),
    noting: `POST ${keysPath(tenant)}`,
  });
  printKey(made, context);
};

type Local = Parameters<typeof onDataFolder>[2];

interface Ways<Result> {
  readonly local: (accounts: Parameters<Local>[0]) => Result;
  readonly remote: (client: ReturnType<typeof clientOf>) => Promise<Result>;
  /** How the audit log names it; left out for what changes nothing. */
  readonly noting?: string;
}

const atPlace = async <Result>(
  { dataDir }: Place,
  command: Command,
  context: CliContext,
  { local, remote, noting }: Ways<Result>,
): Promise<Result> => {
  if (dataDir === undefined) return remote(clientOf(command, context));
  return onDataFolder(dataDir, { noting: noting ?? null, tenant: tenantOf(command) }, local);
};

const printKey = ({ key, secret, signingSecret }: NewKey, { stdout, stderr }: CliContext): void => {
  printLine(stdout, secret);
  printLine(stderr, `key ${key.id} of tenant ${key.tenant}: ${key.scopes.join(', ')}; shown this once`);
  if (signingSecret !== null) printLine(stderr, `signing secret of ${key.id}: ${signingSecret}`);
};

const rowOf = (key: KeyView): string[] => [
  ...[key.id, oneLine(key.name), key.scopes.join(','), key.signing ? 'yes' : 'no', key.state],
  ...[key.expiresAt ?? 'never', key.lastUsedAt ?? 'never'],
];

const tenantOf = (command: Command): string =>
  command.optsWithGlobals<{ tenant?: string }>().tenant ?? 'default';

const keysPath = (tenant: string): string => `/v1/tenants/${encodeURIComponent(tenant)}/keys`;

/** The id, also of what was copied with the beginning of the key. */
const bare = (id: string): string => id.replace(/^sk_/, '');

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const duration = (value: string): number => {
  const [, digits = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(value) ?? [];
  const ms = Number(digits) * (UNITS_MS[unit] ?? Number.NaN);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It must be a number and s, m, h or d, as 12h.');
  return ms;
};

const when = (value: string): string => {
  if (/^\d+[smhd]$/.test(value)) return new Date(systemClock.wallMs() + duration(value)).toISOString();
  const ms = /^\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It must be a date, or a number and s, m, h or d.');
  return new Date(ms).toISOString();
};
