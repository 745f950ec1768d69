/**
 * `strata doctor --attack`: the harmless part of the hostile corpus against a running server, and what held.
 *
 * Owns what is printed. The attacks act as two tenants of their own, deploy small functions for them, and delete those
 * at the end; the server's other tenants are not touched.
 */

import { GROUPS } from '../../attack/case.ts';
import { CORPUS } from '../../attack/corpus/index.ts';
import { Attacker, type Verdict, variantsOf } from '../../attack/run.ts';
import { Target } from '../../attack/target.ts';
import { RUNTIMES, type Runtime } from '../../core/spec.ts';
import { systemClock } from '../../ports/clock.ts';
import { createClient, ProblemError } from '../client.ts';
import { type CliContext, printLine } from '../context.ts';
import { oneLine, table } from '../text.ts';

/** @throws ProblemError when the server cannot be reached, or when something got through. */
export const attackServer = async (url: string, json: boolean, context: CliContext): Promise<void> => {
  const runtimes = await runtimesOf(url, context);
  const variants = variantsOf(
    CORPUS.filter(({ harmless }) => harmless === true),
    runtimes,
  );
  const target = new Target({ url, fetch: context.fetch });
  const attacker = await Attacker.open({ target, clock: systemClock, runtimes });
  const verdicts: Verdict[] = [];
  try {
    for (const variant of variants) verdicts.push(await attacker.run(variant));
  } finally {
    await attacker.close();
  }
  printLine(context.stdout, json ? JSON.stringify(verdicts, null, 2) : asText(verdicts, runtimes));
  const through = verdicts.filter(({ held }) => !held).length;
  if (through > 0)
    throw new ProblemError(
      'not_held',
      `${through} of ${verdicts.length} attacks were not answered as promised.`,
    );
};

/** What the server runs: each of its pools is for one runtime. */
const runtimesOf = async (url: string, context: CliContext): Promise<readonly Runtime[]> => {
  const client = createClient({ url, tenant: undefined, fetch: context.fetch });
  const { tiers } = await client.json<{ tiers: Record<string, unknown> }>('GET', '/v1/pools');
  return RUNTIMES.filter((runtime) => Object.hasOwn(tiers, runtime));
};

const asText = (verdicts: readonly Verdict[], runtimes: readonly Runtime[]): string => {
  const rows = GROUPS.map((group) => {
    const all = verdicts.filter((verdict) => verdict.group === group);
    const held = all.filter((verdict) => verdict.held).length;
    return [held === all.length ? 'held' : 'NOT HELD', group, `${held} of ${all.length}`];
  }).filter(([, , count]) => count !== '0 of 0');
  const latenciesMs = verdicts.flatMap(({ canary }) => canary.latenciesMs).sort((a, b) => a - b);
  const at = (share: number): string =>
    (latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0).toFixed(1);
  const failures = verdicts
    .filter(({ held }) => !held)
    .map(({ id, name, runtime, model, problems }) =>
      [
        `${id} ${name} (${[runtime, model].filter((part) => part !== null).join(', ')})`,
        ...problems.map(oneLine),
      ].join('\n    '),
    );
  return [
    `Attacked as ${runtimes.join(', ')}, each beside another tenant's calls:`,
    table(rows),
    `\nThe neighbour: ${latenciesMs.length} calls, ${at(0.5)} ms (median), ${at(0.99)} ms (p99).`,
    ...(failures.length > 0 ? [`\nNot held:\n  ${failures.join('\n  ')}`] : []),
  ].join('\n');
};
