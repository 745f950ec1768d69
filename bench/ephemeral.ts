/**
 * Question: how many invocations a second, each in a fresh isolate that is destroyed after it?
 *
 * The sustained rate: pools are allowed to run empty, nothing pauses for them. The Worker Loader gets a new process
 * for each run, so that the isolates it keeps from one run do not weigh on the next.
 */
import { Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { measureLoads, type Subject } from './harness/load-rounds.ts';
import { FUNCTION_SOURCE, startWorkerd } from './harness/peers.ts';
import { compare } from './harness/result.ts';
import { divide } from './harness/stats.ts';
import { invocationPath, Strata } from './harness/strata.ts';

const FULL = { rounds: 3, secondsPerRun: 5, warmUpSeconds: 2, connections: [1, 4, 8, 16] };
const QUICK = { rounds: 1, secondsPerRun: 2, warmUpSeconds: 1, connections: [1, 4, 8, 16] };

const BODY = '{"name":"Ada"}';
const FRESH_ANSWER = '{"hello":"Ada","calls":1}';
const STRATA = 'Strata, ephemeral';
const GET = 'Worker Loader, get';
const LOAD = 'Worker Loader, load';

export const ephemeral: Bench = {
  question: 'ephemeral',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const subjects = [
        await strataSubject(scope),
        loaderSubject(GET, '/get-new'),
        loaderSubject(LOAD, '/load'),
      ];
      const { rows, rate } = await measureLoads('ephemeral', subjects, sizes);
      const best = (id: string): number | null => {
        const rates = sizes.connections.map((connections) => rate(id, connections));
        return rates.includes(null) ? null : Math.max(...rates.map(Number));
      };
      return {
        sizes,
        rows,
        comparisons: [
          ...sizes.connections.flatMap((connections) =>
            [GET, LOAD].map((peer) =>
              compare(
                `Strata ÷ ${peer}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
                divide(rate(STRATA, connections), rate(peer, connections)),
              ),
            ),
          ),
          compare(`Strata ÷ ${GET}, the best rate of each`, divide(best(STRATA), best(GET)), { atLeast: 6 }),
          compare(`Strata ÷ ${LOAD}, the best rate of each`, divide(best(STRATA), best(LOAD)), {
            atLeast: 6,
          }),
        ],
        notes: [
          'wrk compares every answer: each must come from an isolate that nothing ran in before, or the run has no figure.',
          'wrk corrects latencies for coordinated omission: one long stall raises the p99 as if load had kept coming.',
          'Worker Loader `get`: an id and a text never seen, kept by its cache. `load`: the same without the cache.',
        ],
      };
    }),
};

const strataSubject = async (scope: Scope): Promise<Subject> => {
  try {
    const strata = await Strata.start(scope);
    await strata.deploy('fresh', {
      runtime: 'isolate',
      handler: 'index.handler',
      code: { source: FUNCTION_SOURCE },
      processModel: 'ephemeral',
    });
    const load = { url: strata.url, path: invocationPath('fresh'), body: BODY, expectedBody: FRESH_ANSWER };
    return { id: STRATA, open: () => Promise.resolve(load) };
  } catch (error) {
    progress(`ephemeral: ${String(error)}`);
    return { id: STRATA, open: () => Promise.reject(error) };
  }
};

const loaderSubject = (id: string, path: string): Subject => ({
  id,
  open: async (run) => {
    const { loaderUrl } = await startWorkerd(run);
    return { url: loaderUrl, path, body: BODY, expectedBody: FRESH_ANSWER };
  },
});

if (import.meta.main) await runFromCommandLine(ephemeral);
