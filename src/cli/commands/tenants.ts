/** `strata tenants`: who there is, and what each may have. */
import type { Command } from 'commander';
import type { TenantPage, TenantView } from '../../accounts/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { wholeNumber } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface ChangeOptions {
  readonly description?: string;
  readonly requestsPerSecond?: number;
  readonly maxInFlight?: number;
  readonly maxFunctions?: number;
  readonly maxCodeBytes?: number;
}

const HEADING = ['NAME', 'STATE', 'FUNCTIONS', 'CODE BYTES', 'KEYS', 'QUOTAS', 'DESCRIPTION'];

export const addTenants = (program: Command, context: CliContext): void => {
  const tenants = program.command('tenants').description('list, create, change and delete tenants');
  const change = async (
    command: Command,
    method: string,
    path: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<void> => {
    const client = clientOf(command, context);
    const tenant = await client.json<TenantView>(method, path, { body: JSON.stringify(body) });
    printLine(context.stdout, `${tenant.name} ${tenant.state} ${quotasText(tenant)}`.trimEnd());
  };

  tenants
    .command('list')
    .description('list the tenants')
    .action(async (_options: unknown, command: Command) => {
      const client = clientOf(command, context);
      const rows = [HEADING];
      let cursor: string | null = '';
      while (cursor !== null) {
        const query = { limit: '1000', cursor: cursor === '' ? undefined : cursor };
        const page: TenantPage = await client.json<TenantPage>('GET', '/v1/tenants', { query });
        rows.push(...page.tenants.map(rowOf));
        cursor = page.nextCursor;
      }
      printLine(context.stdout, table(rows));
    });
  withQuotas(tenants.command('create').description('create a tenant').argument('<name>')).action(
    (name: string, options: ChangeOptions, command: Command) =>
      change(command, 'POST', '/v1/tenants', { name, ...bodyOf(options) }),
  );
  withQuotas(tenants.command('set').description('change what a tenant may have').argument('<name>')).action(
    (name: string, options: ChangeOptions, command: Command) =>
      change(command, 'PATCH', tenantPath(name), bodyOf(options)),
  );
  for (const [word, state] of [
    ['disable', 'disabled'],
    ['enable', 'active'],
  ] as const)
    tenants
      .command(word)
      .description(`${word} a tenant: ${state === 'active' ? 'take' : 'refuse'} its keys and tokens`)
      .argument('<name>')
      .action((name: string, _options: unknown, command: Command) =>
        change(command, 'PATCH', tenantPath(name), { state }),
      );
  tenants
    .command('delete')
    .description('delete a tenant that has no functions, with its keys; its name is not given again')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      await clientOf(command, context).call('DELETE', tenantPath(name));
      printLine(context.stdout, `deleted ${name}`);
    });
};

const withQuotas = (command: Command): Command =>
  command
    .option('--description <text>', 'what it is')
    .option('--requests-per-second <n>', 'requests in a second', wholeNumber)
    .option('--max-in-flight <n>', 'invocations that may run or wait', wholeNumber)
    .option('--max-functions <n>', 'functions', wholeNumber)
    .option('--max-code-bytes <n>', 'the code of all its functions', wholeNumber);

const bodyOf = ({ description, ...quotas }: ChangeOptions): Record<string, unknown> => ({
  ...(description === undefined ? {} : { description }),
  ...(Object.keys(quotas).length === 0 ? {} : { quotas }),
});

const tenantPath = (name: string): string => `/v1/tenants/${encodeURIComponent(name)}`;

const quotasText = ({ quotas }: TenantView): string =>
  Object.entries(quotas)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

const rowOf = (tenant: TenantView): string[] => [
  ...[tenant.name, tenant.state, String(tenant.usage.functions), String(tenant.usage.codeBytes)],
  ...[String(tenant.usage.keys), quotasText(tenant) || '-', oneLine(tenant.description)],
];
