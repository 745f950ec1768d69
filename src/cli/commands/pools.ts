/** `strata pools`: the sandboxes of the server. */
import type { Command } from 'commander';
import type { PoolsView, TierView } from '../../pool/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { table } from '../text.ts';

export const addPools = (program: Command, context: CliContext): void => {
  program
    .command('pools')
    .description('the sandboxes by tier, layer, state and tenant')
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }, command: Command) => {
      const view = await clientOf(command, context).json<PoolsView>('GET', '/v1/pools');
      if (options.json) {
        printLine(context.stdout, JSON.stringify(view, null, 2));
        return;
      }
      for (const [tier, pool] of Object.entries(view.tiers)) printLine(context.stdout, tierText(tier, pool));
      printLine(context.stdout, `${view.queued} queued`);
    });
};

const tierText = (tier: string, { confinement, slots, ready, sandboxes }: TierView): string => {
  const counts = `${slots.free} free, ${slots.busy} busy, ${slots.starting} starting, ${slots.draining} draining`;
  const rows = [
    ['SANDBOX', 'LAYER', 'STATE', 'TENANT', 'MB', 'INSTANCES'],
    ...sandboxes.map((sandbox) => [
      sandbox.id,
      sandbox.layer,
      sandbox.state,
      sandbox.tenant ?? '-',
      sandbox.residentMb === null ? '?' : sandbox.residentMb.toFixed(1),
      sandbox.instances.map(({ function: loaded, layer }) => loaded ?? layer).join(' ') || '-',
    ]),
  ];
  return [
    `${tier} (${confinement}): ${counts}, ${slots.total} in all`,
    `ready: ${ready.container} container, ${ready.runtime} runtime, ${ready.code} code`,
    table(rows),
  ].join('\n');
};
