/** `strata versions`: the published versions of a function. */
import type { Command } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { allPages, functionPath } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface Listed {
  readonly version: string;
  readonly createdAt: string;
  readonly description: string;
  readonly code: { readonly digest: string };
}

const HEADING = ['VERSION', 'PUBLISHED', 'SHA256', 'DESCRIPTION'];
const DIGEST_SHOWN = 12;

export const addVersions = (program: Command, context: CliContext): void => {
  program
    .command('versions')
    .description('list the published versions of a function')
    .argument('<name>')
    .option('--delete <version>', 'delete one that no alias points to')
    .action(async (name: string, options: { delete?: string }, command: Command) => {
      const client = clientOf(command, context);
      if (options.delete !== undefined) {
        await client.call('DELETE', functionPath(name, `/versions/${encodeURIComponent(options.delete)}`));
        printLine(context.stdout, `deleted ${name} version ${options.delete}`);
        return;
      }
      const versions = await allPages<Listed>(client, functionPath(name, '/versions'), 'versions');
      printLine(context.stdout, table([HEADING, ...versions.map(rowOf)]));
    });
};

const rowOf = ({ version, createdAt, code, description }: Listed): string[] => [
  ...[version, createdAt, code.digest.slice(0, DIGEST_SHOWN), oneLine(description)],
];
