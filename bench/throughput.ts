/**
 * Question: how many warm invocations a second, beside a bare Fastify and workerd?
 *
 * All subjects are up during the whole run and idle while another is loaded. They take turns in rounds, the order
 * shifted each round. A subject with a single error in a run has no figures.
 */
import type { FunctionSpecInput } from '../src/core/spec.ts';
import { Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { measureLoads, type Subject } from './harness/load-rounds.ts';
import { FUNCTION_SOURCE, startFastify, startWorkerd } from './harness/peers.ts';
import { compare, reasonOf } from './harness/result.ts';
import { divide } from './harness/stats.ts';
import { ISOLATES_ONLY, invocationPath, QUIET, Strata, unexpected } from './harness/strata.ts';

const FULL = { rounds: 3, secondsPerRun: 5, warmUpSeconds: 2, connections: [1, 32] };
const QUICK = { rounds: 1, secondsPerRun: 2, warmUpSeconds: 1, connections: [1, 32] };

const BODY = '{"name":"Ada"}';
const SHARED = 'Strata, concurrency 32';
const LOGGED = 'Strata, concurrency 32, a log line each';
const SEPARATE = 'Strata, concurrency 1, maxInstances 32';
const FASTIFY = 'bare Fastify';
const STATIC = 'workerd, static worker';
const LOADER = 'workerd, Worker Loader warm';

export const throughput: Bench = {
  question: 'throughput',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const workerd = await startWorkerd(scope);
      const fastify = await startFastify(scope);
      const peer = (id: string, url: string, path: string): Subject => ({
        id,
        open: () => Promise.resolve({ url, path, body: BODY }),
      });
      const subjects = [
        ...(await strataSubjects(scope)),
        peer(FASTIFY, fastify.url, '/'),
        peer(STATIC, workerd.staticUrl, '/'),
        peer(LOADER, workerd.loaderUrl, '/warm'),
      ];
      const { rows, rate } = await measureLoads('throughput', subjects, sizes);
      return {
        sizes,
        rows,
        comparisons: [
          compare('Strata ÷ bare Fastify, 32 connections', divide(rate(SHARED, 32), rate(FASTIFY, 32)), {
            atLeast: 0.5,
          }),
          compare('Strata ÷ workerd static, 32 connections', divide(rate(SHARED, 32), rate(STATIC, 32)), {
            atLeast: 2,
          }),
          compare(
            'Strata with a log line each ÷ without, 32 connections',
            divide(rate(LOGGED, 32), rate(SHARED, 32)),
          ),
          compare('Strata ÷ Worker Loader warm, 32 connections', divide(rate(SHARED, 32), rate(LOADER, 32))),
          compare('Strata ÷ bare Fastify, 1 connection', divide(rate(SHARED, 1), rate(FASTIFY, 1))),
          compare('Strata ÷ workerd static, 1 connection', divide(rate(SHARED, 1), rate(STATIC, 1))),
          compare('Strata concurrency 1 ÷ 32, 32 connections', divide(rate(SEPARATE, 32), rate(SHARED, 32))),
        ],
        notes: [
          'Load by wrk with one thread and the same body for all, on the machine of the servers.',
          'The rate is the median of the rounds; latencies are medians of what wrk reports for each.',
          'wrk corrects latencies for coordinated omission: one long stall raises the p99 as if load had kept coming.',
        ],
      };
    }),
};

const strataSubjects = async (scope: Scope): Promise<Subject[]> => {
  const base = { runtime: 'isolate', handler: 'index.handler', code: { source: FUNCTION_SOURCE } } as const;
  const shared = { ...base, concurrency: 32 };
  const quiet = await startStrata(scope, QUIET);
  return [
    strataSubject(SHARED, quiet, 'shared', shared),
    strataSubject(SEPARATE, quiet, 'separate', { ...base, concurrency: 1, maxInstances: 32 }),
    strataSubject(LOGGED, await startStrata(scope, ISOLATES_ONLY), 'logged', shared),
  ];
};

/** A server that does not start fails its subjects, not the bench: the peers' figures still stand. */
const startStrata = (scope: Scope, settings: Readonly<Record<string, string>>): Promise<Strata | Error> =>
  Strata.start(scope, settings).catch((error: unknown) => {
    progress(`throughput: ${reasonOf(error)}`);
    return new Error(reasonOf(error));
  });

const strataSubject = (
  id: string,
  strata: Strata | Error,
  name: string,
  spec: FunctionSpecInput,
): Subject => ({
  id,
  open: async () => {
    if (strata instanceof Error) throw strata;
    await strata.deploy(name, spec);
    const reply = await strata.invoke(name, { name: 'Ada' });
    if (reply.status !== 200 || !reply.body.includes('"Ada"')) throw unexpected(`invoking ${name}`, reply);
    return { url: strata.url, path: invocationPath(name), body: BODY };
  },
});

if (import.meta.main) await runFromCommandLine(throughput);
