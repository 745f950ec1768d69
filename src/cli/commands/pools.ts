/** `strata pools`: what is ready on the server, the tenant's own sandboxes, and what the policy does next. */
import type { Command } from 'commander';
import type { TenantPoolsView } from '../../pool/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { poolsText } from '../pools-text.ts';

export const addPools = (program: Command, context: CliContext): void => {
  program
    .command('pools')
    .description("what is ready, the sandboxes that are yours or nobody's, and what happens to them next")
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }, command: Command) => {
      const view = await clientOf(command, context).json<TenantPoolsView>('GET', '/v1/pools');
      printLine(context.stdout, options.json ? JSON.stringify(view, null, 2) : poolsText(view));
    });
};
