/** `strata list`: the functions of a tenant. */
import type { Command } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { oneLine, table } from '../text.ts';

interface Page {
  readonly functions: readonly Listed[];
  readonly nextCursor: string | null;
}

interface Listed {
  readonly name: string;
  readonly runtime: string;
  readonly processModel: string;
  readonly memoryMb: number;
  readonly updatedAt: string;
  readonly description: string;
}

const HEADING = ['NAME', 'RUNTIME', 'MODEL', 'MEMORY', 'UPDATED', 'DESCRIPTION'];

export const addList = (program: Command, context: CliContext): void => {
  program
    .command('list')
    .description('list the functions')
    .action(async (_options: unknown, command: Command) => {
      const client = clientOf(command, context);
      const rows = [HEADING];
      let cursor: string | null = '';
      while (cursor !== null) {
        const query = { limit: '1000', cursor: cursor === '' ? undefined : cursor };
        const page: Page = await client.json<Page>('GET', '/v1/functions', { query });
        rows.push(...page.functions.map(rowOf));
        cursor = page.nextCursor;
      }
      printLine(context.stdout, table(rows));
    });
};

const rowOf = (listed: Listed): string[] => [
  listed.name,
  listed.runtime,
  listed.processModel,
  `${listed.memoryMb} MB`,
  listed.updatedAt,
  oneLine(listed.description),
];
