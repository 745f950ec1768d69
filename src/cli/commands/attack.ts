/**
 * `strata doctor --attack`: the harmless part of the hostile corpus against a running server, and what held.
 *
 * Owns what is printed. The attacks act as two tenants of their own, deploy small functions for them, and delete those
 * at the end; the server's other tenants are not touched.
 */

import type { Group } from '../../attack/case.ts';
import { CORPUS } from '../../attack/corpus/index.ts';
import { Attacker, type Verdict, variantsOf } from '../../attack/run.ts';
import { Target } from '../../attack/target.ts';
import { RUNTIMES, type Runtime } from '../../core/spec.ts';
import { systemClock } from '../../ports/clock.ts';
import { createClient, ProblemError } from '../client.ts';
import { type CliContext, printLine } from '../context.ts';
import { oneLine } from '../text.ts';

export interface AttackOptions {
  readonly url: string;
  readonly groups: readonly Group[];
  readonly json: boolean;
}

/** @throws ProblemError when the server cannot be reached, or when something got through. */
export const attackServer = async (
  { url, groups, json }: AttackOptions,
  context: CliContext,
): Promise<void> => {
  const runtimes = await runtimesOf(url, context);
  const say = (line: string): void => {
    if (!json) printLine(context.stdout, line);
  };
  const target = new Target({ url, fetch: context.fetch });
  const attacker = await Attacker.open({ target, clock: systemClock, runtimes });
  const verdicts: Verdict[] = [];
  say(`Attacks on ${runtimes.join(', ')}, each beside another tenant's calls; this takes some minutes.`);
  try {
    for (const group of groups) {
      const cases = CORPUS.filter((each) => each.group === group && each.harmless === true);
      const done: Verdict[] = [];
      for (const variant of variantsOf(cases, runtimes)) done.push(await attacker.run(variant));
      if (done.length > 0) say(groupLine(group, done));
      verdicts.push(...done);
    }
  } finally {
    await attacker.close();
  }
  if (json) printLine(context.stdout, JSON.stringify(verdicts, null, 2));
  say(summary(verdicts));
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

const groupLine = (group: string, verdicts: readonly Verdict[]): string => {
  const failures = verdicts.filter(({ held }) => !held);
  const word = failures.length === 0 ? 'held' : 'NOT HELD';
  const lines = failures.map(({ id, name, runtime, model, problems }) => {
    const how = [runtime, model].filter((part) => part !== null).join(', ');
    return [`  ${id} ${name} (${how})`, ...problems.map(oneLine)].join('\n    ');
  });
  const count = `${verdicts.length - failures.length} of ${verdicts.length}`;
  return [`${word.padEnd(8)}  ${group.padEnd(9)}  ${count}`, ...lines].join('\n');
};

const summary = (verdicts: readonly Verdict[]): string => {
  const latenciesMs = verdicts.flatMap(({ canary }) => canary.latenciesMs).sort((a, b) => a - b);
  const at = (share: number): string =>
    (latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0).toFixed(1);
  return `The neighbour: ${latenciesMs.length} calls, ${at(0.5)} ms (median), ${at(0.99)} ms (p99).`;
};
