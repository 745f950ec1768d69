/** `strata audit`: who changed what, the newest last. */
import type { Command } from 'commander';
import type { AuditEntry, AuditPage } from '../../accounts/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { wholeNumberIn } from '../options.ts';
import { oneLine, table } from '../text.ts';

const HEADING = ['AT', 'WHO', 'TENANT', 'WHAT', 'FROM', 'STATUS', 'BODY'];
const SHOWN_DIGEST = 12;

export const addAudit = (program: Command, context: CliContext): void => {
  program
    .command('audit')
    .description('show who changed what')
    .option('-n, --limit <n>', 'how many of the newest (default: 100)', wholeNumberIn(1, 1_000))
    .option('--of <tenant>', 'those of one tenant only')
    .option('--json', 'one JSON object a line')
    .action(async (options: { limit?: number; of?: string; json?: true }, command: Command) => {
      const query = { limit: options.limit?.toString(), tenant: options.of };
      const page = await clientOf(command, context).json<AuditPage>('GET', '/v1/audit', { query });
      const entries = page.entries.toReversed();
      if (options.json) for (const entry of entries) printLine(context.stdout, JSON.stringify(entry));
      else printLine(context.stdout, table([HEADING, ...entries.map(rowOf)]));
    });
};

const rowOf = (entry: AuditEntry): string[] => [
  ...[entry.at, oneLine(entry.principal), entry.tenant],
  oneLine(`${entry.action.split(' ', 1)[0]} ${entry.target}`),
  ...[oneLine(entry.from), String(entry.status), entry.digest?.slice(0, SHOWN_DIGEST) ?? '-'],
];
