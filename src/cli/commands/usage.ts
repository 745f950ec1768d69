/** `strata usage` and `strata receipt`: what was used and what it costs, and what one invocation did. */
import type { Command } from 'commander';
import type { UsageReport } from '../../billing/api.ts';
import type { Receipt } from '../../core/receipt.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { receiptText, usageText } from '../usage-text.ts';

interface UsageOptions {
  readonly from?: string;
  readonly to?: string;
  readonly groupBy?: string;
  readonly tariff?: string;
  readonly all?: true;
  readonly json?: true;
  readonly csv?: true;
}

export const addUsage = (program: Command, context: CliContext): void => {
  program
    .command('usage')
    .description('what was used by whole days, UTC, and what it costs')
    .option('--from <day>', 'the first day, as 2026-01-31; the first of this month unless told')
    .option('--to <day>', 'the day behind the last; tomorrow unless told')
    .option('--group-by <keys>', 'tenant, function, version, day, or several with commas')
    .option('--tariff <name>', 'cpu, fc-2024, lambda or workers')
    .option('--all', 'of all tenants, and what is idle: for operators')
    .option('--json', 'as JSON')
    .option('--csv', 'as CSV')
    .action(async (options: UsageOptions, command: Command) => {
      const { from, to, groupBy, tariff } = options;
      const query = { from, to, groupBy, tariff, ...(options.all === true ? { all: 'true' } : {}) };
      const client = clientOf(command, context);
      if (options.csv === true) {
        const { body } = await client.call('GET', '/v1/usage', { query: { ...query, format: 'csv' } });
        context.stdout.write(body);
        return;
      }
      const report = await client.json<UsageReport>('GET', '/v1/usage', { query });
      printLine(context.stdout, options.json === true ? JSON.stringify(report, null, 2) : usageText(report));
    });
};

export const addReceipt = (program: Command, context: CliContext): void => {
  program
    .command('receipt')
    .description('what one invocation did, used and costs')
    .argument('<id>', 'from the header Strata-Invocation-Id')
    .option('--json', 'as JSON')
    .action(async (id: string, options: { json?: true }, command: Command) => {
      const path = `/v1/invocations/${encodeURIComponent(id)}`;
      const receipt = await clientOf(command, context).json<Receipt>('GET', path);
      printLine(
        context.stdout,
        options.json === true ? JSON.stringify(receipt, null, 2) : receiptText(receipt),
      );
    });
};
