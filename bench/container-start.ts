/**
 * Question: how long does a call take that starts in a container, from each layer, and with Docker alone?
 *
 * The same function in Node and in Python, over HTTP from Strata, and as a command of its own from `docker run` and
 * `runc run` with the same image; the isolate tier's rows are the measure beside them. An answer counts only when it
 * is the expected one and, for a cold start, comes from a process that nothing ran in before.
 *
 * Three servers, because the layers exclude each other: with the settings of the first a tenant's container always
 * has a booted runtime, with those of the second it loses it, with those of the third it goes.
 */
import { absentSubject, type CallSubject, type CallsMeasured, measureCalls } from './harness/call-rounds.ts';
import { Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { dockerRunSubject, NODE_COMMAND, PYTHON_COMMAND, runcSubject } from './harness/container-peers.ts';
import {
  CODE_AT_REST,
  CODE_BACK_TO_BACK,
  CONTAINER_ROWS,
  ISOLATE_ROWS,
  type Keeping,
  type Language,
  NEW_TENANT,
  NONE,
  RUNTIME,
  rowId,
  rowSubject,
  type Servers,
} from './harness/container-rows.ts';
import { describeEngine, imageOf } from './harness/containers.ts';
import { FUNCTION_SOURCE, PYTHON_SOURCE } from './harness/peers.ts';
import { type Comparison, compare, reasonOf } from './harness/result.ts';
import { divide } from './harness/stats.ts';
import { Strata, WITH_CONTAINERS } from './harness/strata.ts';

const FULL = {
  rounds: 20,
  fastCallsPerRound: 50,
  slowCallsPerRound: 5,
  fastWarmUpCalls: 200,
  slowWarmUpCalls: 5,
};
const QUICK = {
  rounds: 1,
  fastCallsPerRound: 10,
  slowCallsPerRound: 2,
  fastWarmUpCalls: 20,
  slowWarmUpCalls: 1,
};

const HOUR_MS = '3600000';
/** The least that the settings allow. */
const AT_ONCE_MS = '100';

/** The policy under which every layer is kept for a while by its tenant, so that each can be asked for. */
const BY_LAYER = { ...WITH_CONTAINERS, STRATA_POLICY_NAME: 'layered' };

const SETTINGS: Readonly<Record<Keeping, Readonly<Record<string, string>>>> = {
  /** Nothing is given up between two turns of a subject. */
  keeps: {
    ...BY_LAYER,
    STRATA_CONTAINER_RUNTIME_IDLE_MS: HOUR_MS,
    STRATA_CONTAINER_CONTAINER_IDLE_MS: HOUR_MS,
  },
  /** A tenant's container goes back to layer `container` after each call. */
  'drops runtimes': {
    ...BY_LAYER,
    STRATA_CONTAINER_RUNTIME_IDLE_MS: AT_ONCE_MS,
    STRATA_CONTAINER_CONTAINER_IDLE_MS: HOUR_MS,
    STRATA_CONTAINER_SWEEP_INTERVAL_MS: '20',
    STRATA_ISOLATE_PRISTINE_HOSTS: '0',
  },
  /** A tenant's container is gone after each call. */
  'removes containers': {
    ...BY_LAYER,
    STRATA_CONTAINER_RUNTIME_IDLE_MS: AT_ONCE_MS,
    STRATA_CONTAINER_CONTAINER_IDLE_MS: AT_ONCE_MS,
    STRATA_CONTAINER_SWEEP_INTERVAL_MS: '20',
    STRATA_ISOLATE_PRISTINE_HOSTS: '0',
  },
};

export const containerStart: Bench = {
  question: 'container-start',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const subjects = await makeSubjects(scope);
      const measured = await measureCalls('container-start', subjects, sizes);
      return {
        sizes: { ...sizes, engine: await describeEngine() },
        rows: measured.rows,
        comparisons: LANGUAGES.flatMap((language) => compareAll(language, measured)),
        notes: NOTES,
      };
    }),
};

const NOTES = [
  'Strata: over HTTP, from handing the request to the client until the last byte of the answer, one kept-alive connection. `docker run`, `runc run`: from spawn to exit of the command, no HTTP in it.',
  'Strata, unless back to back: the pool starts nothing, and the container that will serve the call is frozen, as one is by default that was idle for 50 ms; isolates are never frozen. Before `start code` there is a pause of 100 ms or more, for isolates, too. Back to back: each call comes before the container is frozen.',
  'From `runtime`: in the container that the tenant has. A new tenant: in one that nobody has used, so the code goes into it, too; its refill is waited for outside of what is timed.',
  'From `container`: in the container that the tenant has, from which the runtime was dropped; in Python the zygote is still up in it, unless it has been empty for a second.',
  'Settings: by default two containers are kept ready for each runtime, one of them with the runtime booted. So that a layer can be asked for, the policy is `layered`, one server keeps what is idle for an hour, one drops runtimes after 100 ms, and one removes containers after 100 ms.',
  'runc: the configuration that `runc spec` proposes, the filesystem unpacked on disk, no images and no engine.',
  'Retries: calls refused with 412 because the layer was not ready; waited for and not counted.',
];

interface ContainerLanguage extends Language {
  readonly runtime: 'nodejs24' | 'python3';
  readonly command: typeof NODE_COMMAND;
}

const ISOLATE: Language = { label: 'isolate', runtime: 'isolate', source: FUNCTION_SOURCE };
const LANGUAGES: readonly ContainerLanguage[] = [
  { label: 'Node', runtime: 'nodejs24', source: FUNCTION_SOURCE, command: NODE_COMMAND },
  { label: 'Python', runtime: 'python3', source: PYTHON_SOURCE, command: PYTHON_COMMAND },
];

const makeSubjects = async (scope: Scope): Promise<CallSubject[]> => {
  const servers: Servers = {
    keeps: await startServer(scope, 'keeps'),
    'drops runtimes': await startServer(scope, 'drops runtimes'),
    'removes containers': await startServer(scope, 'removes containers'),
  };
  const subjects: CallSubject[] = [];
  for (const kind of ISOLATE_ROWS) subjects.push(await rowSubject(ISOLATE, kind, servers));
  for (const language of LANGUAGES) subjects.push(...(await languageSubjects(scope, language, servers)));
  return subjects;
};

/** A server that does not start fails its subjects, not the bench. */
const startServer = (scope: Scope, keeping: Keeping): Promise<Strata | Error> =>
  Strata.start(scope, SETTINGS[keeping]).catch((error: unknown) => {
    progress(`container-start: ${reasonOf(error)}`);
    return new Error(reasonOf(error));
  });

const dockerId = ({ label }: Language): string => `docker run, ${label}`;
const runcId = ({ label }: Language): string => `runc run, ${label}`;

const languageSubjects = async (
  scope: Scope,
  language: ContainerLanguage,
  servers: Servers,
): Promise<CallSubject[]> => {
  const { runtime, command } = language;
  const [docker, runc] = [dockerId(language), runcId(language)];
  let image: string;
  try {
    image = await imageOf(runtime);
  } catch (error) {
    progress(`container-start: ${reasonOf(error)}`);
    const own = CONTAINER_ROWS.map(({ name }) => rowId(language, name));
    return [...own, docker, runc].map((id) => absentSubject(id, error));
  }
  const subjects: CallSubject[] = [];
  for (const kind of CONTAINER_ROWS) subjects.push(await rowSubject(language, kind, servers));
  subjects.push(dockerRunSubject(docker, image, command));
  const unpacked = runcSubject(scope, runc, image, command);
  subjects.push(await unpacked.catch((error: unknown) => absentSubject(runc, error)));
  return subjects;
};

const compareAll = (language: Language, { p50 }: CallsMeasured): Comparison[] => {
  const own = (name: string): number | null => p50(rowId(language, name));
  const isolate = (name: string): number | null => p50(rowId(ISOLATE, name));
  const [docker, runc] = [p50(dockerId(language)), p50(runcId(language))];
  const { label } = language;
  return [
    compare(`${label}, start runtime, p50 ms`, own(RUNTIME), { atMost: 4 }),
    compare(`${label}, docker run p50 ÷ start runtime p50`, divide(docker, own(RUNTIME)), { atLeast: 40 }),
    compare(`${label}, docker run p50 ÷ start runtime of a new tenant p50`, divide(docker, own(NEW_TENANT))),
    compare(`${label}, runc run p50 ÷ start runtime p50`, divide(runc, own(RUNTIME))),
    compare(`${label}, docker run p50 ÷ start none p50`, divide(docker, own(NONE))),
    compare(`${label}, start runtime p50 ÷ isolate's`, divide(own(RUNTIME), isolate(RUNTIME))),
    ...[CODE_BACK_TO_BACK, CODE_AT_REST].map((name) =>
      compare(`${label}, ${name}, p50 ms more than isolate's`, subtract(own(name), isolate(name)), {
        atMost: 0.3,
      }),
    ),
  ];
};

const subtract = (from: number | null, what: number | null): number | null =>
  from === null || what === null ? null : from - what;

if (import.meta.main) await runFromCommandLine(containerStart);
