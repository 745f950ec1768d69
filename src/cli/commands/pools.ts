/** `strata pools`: what is ready on the server, and the tenant's own sandboxes. */
import type { Command } from 'commander';
import type { TierView } from '../../pool/api.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { table } from '../text.ts';

/** What the server shows to one tenant. */
interface TenantPoolsView {
  readonly tiers: Readonly<Record<string, TenantTierView>>;
  readonly queued: number;
}

interface TenantTierView extends TierView {
  /** Those of other tenants, which are counted and not listed. */
  readonly otherSandboxes: number;
}

export const addPools = (program: Command, context: CliContext): void => {
  program
    .command('pools')
    .description("what is ready, and the sandboxes that are yours or nobody's")
    .option('--json', 'as JSON')
    .action(async (options: { json?: true }, command: Command) => {
      const view = await clientOf(command, context).json<TenantPoolsView>('GET', '/v1/pools');
      if (options.json) {
        printLine(context.stdout, JSON.stringify(view, null, 2));
        return;
      }
      for (const pool of Object.values(view.tiers)) printLine(context.stdout, tierText(pool));
      printLine(context.stdout, `${view.queued} queued`);
    });
};

const tierText = ({
  runtime,
  confinement,
  slots,
  ready,
  sandboxes,
  otherSandboxes,
}: TenantTierView): string => {
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
    `${runtime} (${confinement}): ${counts}, ${slots.total} in all`,
    `ready: ${ready.container} container, ${ready.runtime} runtime, ${ready.code} code`,
    table(rows),
    ...(otherSandboxes === 0 ? [] : [`and ${otherSandboxes} of other tenants`]),
  ].join('\n');
};
