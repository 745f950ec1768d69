/**
 * Question: what does the ledger cost in warm invocations a second?
 *
 * The same server and function with the ledger off, with receipts written in batches, and with answers that wait for
 * theirs, in turns; a fourth has a ledger that is at its bound, so that it removes as many as it writes. The order is shifted
 * each round. A subject with a single error in a run has no figures.
 */
import type { FunctionSpecInput } from '../src/core/spec.ts';
import { Scope } from './harness/children.ts';
import { type Bench, runFromCommandLine } from './harness/command.ts';
import { measureLoads, type Subject } from './harness/load-rounds.ts';
import { FUNCTION_SOURCE } from './harness/peers.ts';
import { compare } from './harness/result.ts';
import { divide } from './harness/stats.ts';
import { invocationPath, QUIET, Strata, unexpected } from './harness/strata.ts';

const FULL = { rounds: 15, secondsPerRun: 1, warmUpSeconds: 2, connections: [32] };
const QUICK = { rounds: 1, secondsPerRun: 2, warmUpSeconds: 1, connections: [32] };

const OFF = 'ledger off';
const BATCHED = 'ledger on, batched';
const BOUNDED = 'ledger on, batched, removing as many';
const WAITING = 'ledger on, before the answer';

const SETTINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [OFF]: { STRATA_LEDGER_MODE: 'off' },
  [BATCHED]: {},
  [BOUNDED]: { STRATA_LEDGER_MAX_RECEIPTS: '10000' },
  [WAITING]: { STRATA_LEDGER_DURABILITY: 'before-answer' },
};

const SPEC: FunctionSpecInput = {
  ...{ runtime: 'isolate', handler: 'index.handler', code: { source: FUNCTION_SOURCE }, concurrency: 32 },
};

export const metering: Bench = {
  question: 'metering',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const subjects: Subject[] = [];
      for (const [id, settings] of Object.entries(SETTINGS)) {
        const strata = await Strata.start(scope, { ...QUIET, ...settings });
        subjects.push({ id, open: () => warm(strata) });
      }
      const { rows, rate } = await measureLoads('metering', subjects, sizes);
      const against = (id: string): number | null => divide(rate(id, 32), rate(OFF, 32));
      return {
        sizes,
        rows,
        comparisons: [
          compare('ledger on, batched ÷ off', against(BATCHED), { atLeast: 0.97 }),
          compare('ledger on, batched, removing as many ÷ off', against(BOUNDED)),
          compare('ledger on, before the answer ÷ off', against(WAITING)),
        ],
        notes: [
          'Load by wrk with one thread, on the machine of the servers, which share its processors with it.',
          'The rate is the median of many short rounds, because the machine is not equally quick from one to the next. The data folders are in the folder for temporary files.',
        ],
      };
    }),
};

const warm = async (strata: Strata): ReturnType<Subject['open']> => {
  await strata.deploy('shared', SPEC);
  const reply = await strata.invoke('shared', { name: 'Ada' });
  if (reply.status !== 200) throw unexpected('invoking shared', reply);
  return { url: strata.url, path: invocationPath('shared'), body: '{"name":"Ada"}' };
};

if (import.meta.main) await runFromCommandLine(metering);
