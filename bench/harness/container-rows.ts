/**
 * The rows of Strata in `container-start`: from which layer, on which server, and what has to be so before a call.
 *
 * Owns the preparation of each call. Each row has a tenant of its own, so that no row finds what another has left.
 */
import type { Start } from '../../src/core/receipt.ts';
import type { Runtime } from '../../src/core/spec.ts';
import { absentSubject, type CallSubject } from './call-rounds.ts';
import { firstProcessOf, isFrozen } from './containers.ts';
import { type PoolView, type Strata, unexpected } from './strata.ts';
import { keepAwake, startSubject, untilAtRest } from './strata-start.ts';

/** What the servers do with containers that are idle; the layers exclude each other under one setting. */
export type Keeping = 'keeps' | 'drops runtimes' | 'removes containers';
/** The servers by what they do; an error stands for one that did not start. */
export type Servers = Readonly<Record<Keeping, Strata | Error>>;

export interface Language {
  readonly label: string;
  readonly runtime: Runtime;
  readonly source: string;
}

export interface RowKind {
  readonly name: string;
  readonly start: Start;
  readonly server: Keeping;
  readonly slow: boolean;
  /** Resolves with the tenant that makes the next call. */
  readonly prepare: (place: Place, deadlineMs: number) => Promise<string>;
}

interface Place {
  readonly strata: Strata;
  readonly language: Language;
  readonly start: Start;
  readonly tenant: string;
}

/** Longer than the grace after which an idle container is frozen, 50 ms by default. */
const IDLE_MS = 100;

const backToBack: RowKind['prepare'] = async ({ tenant }) => tenant;

/** Until the container with the loaded function is frozen; as long for an isolate, which is never frozen. */
const afterAPause: RowKind['prepare'] = async (place, deadlineMs) => {
  await untilFrozen(place, IDLE_MS, deadlineMs, (pool) =>
    own(pool, place.tenant).filter(({ layer }) => layer === 'code'),
  );
  return place.tenant;
};

/** @param serving those of which one will serve the call; isolates are never frozen. */
const atRest =
  (
    like: (pool: PoolView, tenant: string) => boolean,
    serving: (pool: PoolView, tenant: string) => PoolView['sandboxes'],
  ): RowKind['prepare'] =>
  async (place, deadlineMs) => {
    const { strata, language, tenant } = place;
    const rest = { strata, runtime: language.runtime, tenant };
    await untilAtRest({ ...rest, like: (pool) => like(pool, tenant) }, deadlineMs);
    await untilFrozen(place, 0, deadlineMs, (pool) => serving(pool, tenant));
    return tenant;
  };

const untilFrozen = async (
  { strata, language: { runtime }, tenant }: Place,
  forMs: number,
  deadlineMs: number,
  which: (pool: PoolView) => PoolView['sandboxes'],
): Promise<void> => {
  const containers = runtime === 'isolate' ? [] : which(await strata.pool(runtime, tenant));
  const pids: number[] = [];
  for (const { id } of containers) pids.push((await firstProcessOf(id)).pid);
  // Where it cannot be told, the time has to do.
  await keepAwake(strata, forMs, deadlineMs, () => pids.every((pid) => isFrozen(pid) !== false));
};

/** A container that nobody has used is ready. */
const isFull = ({ sandboxes }: PoolView): boolean =>
  sandboxes.some(({ tenant, layer }) => tenant === null && layer === 'runtime');

const own = ({ sandboxes }: PoolView, tenant: string): PoolView['sandboxes'] =>
  sandboxes.filter((sandbox) => sandbox.tenant === tenant);

const all = ({ sandboxes }: PoolView): PoolView['sandboxes'] => sandboxes;
const nothing = (): PoolView['sandboxes'] => [];

const onlyPristine = (pool: PoolView): boolean =>
  isFull(pool) && pool.otherSandboxes === 0 && pool.sandboxes.every(({ tenant }) => tenant === null);

const ownRuntimeReady = (pool: PoolView, tenant: string): boolean =>
  isFull(pool) && own(pool, tenant).some(({ layer }) => layer === 'runtime');

const ownWithoutRuntime = (pool: PoolView, tenant: string): boolean =>
  isFull(pool) && own(pool, tenant).some(({ instances }) => instances.length === 0);

let newTenants = 0;

const asNewTenant: RowKind['prepare'] = async (place, deadlineMs) => {
  newTenants += 1;
  const newcomer = { ...place, tenant: `${place.tenant}-${newTenants}` };
  await deploy(newcomer);
  return atRest(onlyPristine, all)(newcomer, deadlineMs);
};

const cold = { start: 'runtime', slow: true } as const;
const warm = { start: 'code', server: 'keeps' } as const;

export const CODE_BACK_TO_BACK = 'start code, back to back';
export const CODE_AT_REST = 'start code';
export const RUNTIME = 'start runtime';
export const NEW_TENANT = 'start runtime, a new tenant';
export const NONE = 'start none';

export const CONTAINER_ROWS: readonly RowKind[] = [
  { name: CODE_BACK_TO_BACK, ...warm, slow: false, prepare: backToBack },
  { name: CODE_AT_REST, ...warm, slow: true, prepare: afterAPause },
  { name: RUNTIME, ...cold, server: 'keeps', prepare: atRest(ownRuntimeReady, own) },
  { name: NEW_TENANT, ...cold, server: 'removes containers', prepare: asNewTenant },
  {
    name: 'start container',
    ...cold,
    start: 'container',
    server: 'drops runtimes',
    prepare: atRest(ownWithoutRuntime, own),
  },
  {
    name: NONE,
    ...cold,
    start: 'none',
    server: 'removes containers',
    prepare: atRest(onlyPristine, nothing),
  },
];

export const ISOLATE_ROWS: readonly RowKind[] = [
  { name: CODE_BACK_TO_BACK, ...warm, slow: false, prepare: backToBack },
  { name: CODE_AT_REST, ...warm, slow: true, prepare: afterAPause },
  { name: RUNTIME, ...cold, server: 'keeps', prepare: atRest(({ ready }) => ready.runtime > 0, nothing) },
];

export const rowId = ({ label }: Language, name: string): string => `${label}, ${name}`;

/** What cannot be set up is there with its reason. */
export const rowSubject = async (
  language: Language,
  kind: RowKind,
  servers: Servers,
): Promise<CallSubject> => {
  const id = rowId(language, kind.name);
  try {
    const strata = servers[kind.server];
    if (strata instanceof Error) throw strata;
    const tenant = id.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase();
    const place = { strata, language, start: kind.start, tenant };
    await deploy(place);
    // The tenant has a sandbox from here on, and a function to be called again its loaded instance.
    const reply = await strata.invoke(FUNCTION_NAME, { name: 'first' }, { tenant });
    if (reply.status !== 200) throw unexpected(`the first call of ${id}`, reply);
    return startSubject({
      ...{ id, strata, slow: kind.slow, runtime: language.runtime, start: kind.start },
      function: FUNCTION_NAME,
      prepare: (deadlineMs) => kind.prepare(place, deadlineMs),
    });
  } catch (error) {
    return absentSubject(id, error);
  }
};

const FUNCTION_NAME = 'measured';
const HOUR_MS = 3_600_000;

const deploy = ({ strata, language: { runtime, source }, start, tenant }: Place): Promise<void> => {
  const kept = { processModel: 'resident', idleTimeoutMs: HOUR_MS } as const;
  const model = start === 'code' ? kept : ({ processModel: 'ephemeral' } as const);
  const spec = { runtime, handler: 'index.handler', code: { source }, ...model } as const;
  return strata.deploy(FUNCTION_NAME, spec, tenant);
};
