/**
 * Every key of the configuration: its type, default, bounds and meaning, in one schema.
 *
 * Owns the keys and what they may be. Never reads a file or the environment; `config.ts` does, and
 * `docs/config.md` is generated from here. Invariant: every number has a lower and an upper bound.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { CONTAINER_CODE_MAX_BYTES, MEMORY_BOUNDS } from '../core/limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Annotations of a key beyond JSON Schema: its own environment name, and whether its value may be shown. */
export interface KeyOptions {
  /** The environment variable, where it is not `STRATA_` and the path in upper snake case. */
  readonly env?: string;
  /** True when the value is never printed. */
  readonly secret?: boolean;
}

const whole = (
  defaultValue: number,
  [minimum, maximum]: readonly [number, number],
  description: string,
  options: KeyOptions = {},
) => Type.Integer({ ...options, default: defaultValue, minimum, maximum, description });

const text = (defaultValue: string, description: string, options: KeyOptions = {}) =>
  Type.String({ ...options, default: defaultValue, minLength: 1, maxLength: 1024, description });

/** Like `text`, where the empty text says that nothing was chosen. */
const optionalText = (description: string, options: KeyOptions = {}) =>
  Type.String({ ...options, default: '', minLength: 0, maxLength: 1024, description });

const choice = <const Values extends string[]>(
  values: readonly [...Values],
  defaultValue: Values[number],
  description: string,
) => Type.Enum([...values] as [...Values], { default: defaultValue, description });

const group = <Properties extends Record<string, TSchema>>(description: string, properties: Properties) =>
  Type.Object(properties, { additionalProperties: false, description });

export const CONFIG_SCHEMA = group('The configuration of Strata.', {
  dataDir: text(
    './data',
    'The folder of the database and the stored code; `:memory:` keeps both in memory and forgets them at exit.',
  ),
  server: group('The HTTP server.', {
    host: text('127.0.0.1', 'The address to listen on.', { env: 'STRATA_HOST' }),
    port: whole(7070, [0, 65_535], 'The port to listen on; 0 takes any free one.', { env: 'STRATA_PORT' }),
    drainTimeoutMs: whole(
      30_000,
      [0, 3_600_000],
      'How long invocations in flight may go on after SIGTERM before they are stopped.',
    ),
    requestTimeoutMs: whole(
      30_000,
      [100, 3_600_000],
      'How long a client may take to send a whole request; a slower one is disconnected.',
    ),
    headersTimeoutMs: whole(
      10_000,
      [100, 3_600_000],
      'How long a client may take to send the headers of a request.',
    ),
    maxConnections: whole(
      10_000,
      [1, 1_000_000],
      'Connections open at the same time; one more is closed without an answer.',
    ),
    maxBodyBytesInFlight: whole(
      128 * MIB,
      [64 * KIB, 64 * 1024 * MIB],
      'What the bodies of unanswered requests may take together, counting bodies over 64 KiB; a request beyond ' +
        'it is refused with `overloaded`. A body alone is always taken, up to its own limit.',
    ),
  }),
  log: group('The log of the server itself, one JSON object a line.', {
    level: choice(
      ['debug', 'info', 'warn', 'error', 'silent'],
      'info',
      'The least severe level that is written; `silent` writes nothing.',
    ),
  }),
  limits: group('Sizes of what callers and functions may hand over.', {
    eventMaxBytes: whole(
      6 * MIB,
      [1, 64 * MIB],
      'A larger event is refused with `payload_too_large` before it is read to its end.',
    ),
    resultMaxBytes: whole(6 * MIB, [1, 64 * MIB], 'A larger result fails with `result_too_large`.'),
    codeMaxBytes: whole(
      5 * MIB,
      [1, 64 * MIB],
      'The code of one function of the runtime `isolate`, unpacked, and its archive; more is refused with ' +
        '`payload_too_large`.',
    ),
    containerCodeMaxBytes: whole(
      64 * MIB,
      [1, CONTAINER_CODE_MAX_BYTES],
      'The same for functions of the runtimes `nodejs24`, `python3` and `provided`. A deployment takes several ' +
        'times as much memory while it is read.',
    ),
    logMaxBytes: whole(
      64 * KIB,
      [0, 16 * MIB],
      'What one invocation may log; further lines are dropped and the receipt says `logTruncated`.',
    ),
  }),
  queue: group('Invocations that wait for an instance.', {
    maxLength: whole(
      1_000,
      [0, 1_000_000],
      'How many may wait in all; one more is refused with `overloaded`.',
    ),
    maxLengthPerFunction: whole(
      200,
      [0, 1_000_000],
      'How many may wait for one function; one more is refused: with `concurrency_limit` when the function runs on ' +
        'all the instances that its `maxInstances` allows, else with `overloaded`. 0 lets none wait, so a function ' +
        'runs only where something is ready for it.',
    ),
    timeoutMs: whole(10_000, [0, 900_000], 'The longest wait; after it `queue_timeout`.'),
  }),
  isolate: group('The isolate tier: host processes and the isolates in them.', {
    confinement: choice(
      ['auto', 'bubblewrap', 'unshare', 'process'],
      'auto',
      'How host processes are jailed; `auto` takes the strongest that this machine allows, any other value ' +
        'refuses to start without it.',
    ),
    pristineHosts: whole(2, [0, 50], 'Host processes kept ready that no tenant has used.'),
    runtimesPerHost: whole(4, [0, 100], 'Isolates booted ahead in each host that no tenant has used.'),
    spareRuntimes: whole(2, [0, 100], "Isolates kept booted in a tenant's host for its next function."),
    maxHosts: whole(64, [1, 10_000], 'Host processes at once; when all are taken, invocations wait.'),
    maxInstancesPerHost: whole(
      100,
      [1, 10_000],
      'Isolates in one host; a tenant with more gets another host.',
    ),
    startParallelism: whole(2, [1, 64], 'Host processes that may be starting at the same time.'),
    bootParallelism: whole(2, [1, 64], 'Isolates that may be booting at the same time in one host.'),
    hostStartTimeoutMs: whole(
      10_000,
      [100, 120_000],
      'A host that is not up after this is killed, and its start fails with `start_failed`.',
    ),
    killGraceMs: whole(
      200,
      [0, 60_000],
      'Between asking an isolate to stop and SIGKILL to its whole process.',
    ),
    runtimeIdleMs: whole(
      60_000,
      [100, 86_400_000],
      "After this long unused, a tenant's booted isolates above `spareRuntimes` are dropped.",
    ),
    hostIdleMs: whole(
      300_000,
      [100, 86_400_000],
      "After this long without a loaded function, a tenant's host is killed.",
    ),
    hostMemoryMb: whole(
      2_048,
      [128, 1_048_576],
      'The resident memory of one host; beyond it the process is killed, whatever runs in it.',
    ),
    memorySlackMb: whole(
      96,
      [16, 65_536],
      'How far a host may exceed the sum of what its isolates may use before the watchdog acts.',
    ),
    watchdogIntervalMs: whole(20, [1, 10_000], 'How often the memory of busy hosts is read.'),
    sweepIntervalMs: whole(1_000, [10, 600_000], 'How often the pool looks for what has been idle too long.'),
    runtimeMemoryMb: whole(
      MEMORY_BOUNDS.isolate.default,
      [MEMORY_BOUNDS.isolate.min, MEMORY_BOUNDS.isolate.max],
      'The memory size for which isolates are booted ahead; other sizes boot when they are needed.',
    ),
  }),
  container: group('The container tier: Docker containers, of which each holds one instance of a function.', {
    mode: choice(
      ['auto', 'off', 'required'],
      'auto',
      'Whether the runtimes `nodejs24`, `python3` and `provided` are served: `auto` serves those whose image is ' +
        'there when a Docker engine answers, `off` none, `required` refuses to start when none of them can be served.',
    ),
    engineHost: optionalText(
      "Where the Docker engine listens, such as `unix:///run/docker.sock`; empty for the client's own default.",
      { env: 'DOCKER_HOST' },
    ),
    ociRuntime: optionalText(
      "The OCI runtime that runs containers, such as `runsc`; empty for the engine's default.",
    ),
    pristine: whole(
      2,
      [0, 100],
      'Containers kept ready that no tenant has used, for each runtime whose image is there.',
    ),
    pristineRuntimes: whole(
      1,
      [0, 100],
      'How many of them have the runtime booted; the others hold nothing but the agent, which takes about a megabyte.',
    ),
    maxContainers: whole(
      20,
      [1, 1_000],
      'Containers at once for each runtime; when all are taken, invocations wait.',
    ),
    startParallelism: whole(2, [1, 64], 'Containers of a runtime that may be starting at the same time.'),
    refillPerSecond: whole(
      5,
      [1, 1_000],
      'Containers of a runtime that may be started ahead in a second; those that an invocation waits for are not ' +
        'held back.',
    ),
    startTimeoutMs: whole(
      30_000,
      [100, 600_000],
      'A container that is not up after this is killed, and its start fails with `start_failed`.',
    ),
    killGraceMs: whole(
      1_000,
      [0, 60_000],
      'Between asking a container to stop a function and killing the container.',
    ),
    freezeAfterMs: whole(
      50,
      [0, 3_600_000],
      'A container that is idle for so long, at whatever layer, is frozen until it is needed; 0 freezes none.',
    ),
    runtimeIdleMs: whole(
      60_000,
      [100, 86_400_000],
      "After this long unused, a runtime that is booted in a tenant's container is dropped.",
    ),
    containerIdleMs: whole(
      300_000,
      [100, 86_400_000],
      "After this long without a loaded function, a tenant's container is removed.",
    ),
    sweepIntervalMs: whole(1_000, [10, 600_000], 'How often the pool looks for what has been idle too long.'),
    pidsMax: whole(64, [8, 4_096], 'Processes and threads in one container.'),
    tmpMb: whole(64, [1, 10_240], 'The size of `/tmp` in a container; what is in it counts as memory.'),
    memoryMb: whole(
      128,
      [64, 10_240],
      'The memory with which containers are made; each gets what its function asks for when that is loaded.',
    ),
    fullCpuMb: whole(
      1_769,
      [128, 10_240],
      'A function may use `memoryMb / fullCpuMb` vCPUs, at least one and at most those of the machine.',
    ),
    metering: choice(
      ['auto', 'cgroup', 'stats'],
      'auto',
      "Where CPU time and memory are read: the container's cgroup, which must be on this machine, or the engine's " +
        'statistics, which are coarser; `auto` takes the cgroup where it can be read.',
    ),
    runDir: optionalText(
      "The folder for the sockets that containers connect to; empty for one of the system's temporary folder. An " +
        'engine elsewhere must see it under the same path.',
    ),
  }),
  records: group('What is remembered of past invocations, in memory.', {
    maxInvocations: whole(10_000, [0, 1_000_000], 'Receipts kept; the oldest is forgotten first.'),
    maxLogLines: whole(
      1_000,
      [0, 100_000],
      'The newest log lines that one call gives out for a function; what is kept is bounded by `maxInvocations`, ' +
        'and by 32 Mi characters in all.',
    ),
  }),
});

type DeepReadonly<Value> = Value extends object
  ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
  : Value;

/** The configuration, complete and frozen. */
export type Config = DeepReadonly<Static<typeof CONFIG_SCHEMA>>;

/** Any part of the configuration; what is absent or undefined keeps the value of a weaker source. */
export type ConfigOverrides = DeepPartial<Config>;

type DeepPartial<Value> = Value extends object
  ? { readonly [Key in keyof Value]?: DeepPartial<Value[Key]> | undefined }
  : Value;

/** One key, flat: what the loader, the docs and the start-up print walk over. */
export interface ConfigKey {
  /** For example `server.port`. */
  readonly path: string;
  readonly segments: readonly string[];
  /** The environment variable that sets it. */
  readonly env: string;
  readonly kind: 'integer' | 'string' | 'choice';
  readonly default: number | string;
  readonly description: string;
  readonly secret: boolean;
  /** Inclusive; for strings the length in characters. Null for a choice. */
  readonly bounds: { readonly min: number; readonly max: number } | null;
  /** The allowed values of a choice; null otherwise. */
  readonly choices: readonly string[] | null;
}

/** The shape that every schema node above has, read back for walking. */
interface SchemaNode extends KeyOptions {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly enum?: readonly string[];
  readonly default?: number | string;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Every key of a schema, in the order of the schema. Exported with a parameter for schemas of tests. */
export const keysOf = (schema: TSchema): readonly ConfigKey[] => walk(schema as SchemaNode, []);

const walk = (node: SchemaNode, segments: readonly string[]): ConfigKey[] =>
  node.properties === undefined
    ? [keyOf(node, segments)]
    : Object.entries(node.properties).flatMap(([name, child]) => walk(child, [...segments, name]));

const keyOf = (node: SchemaNode, segments: readonly string[]): ConfigKey => {
  const path = segments.join('.');
  const choices = node.enum ?? null;
  const min = node.minimum ?? node.minLength;
  const max = node.maximum ?? node.maxLength;
  const bounded = min !== undefined && max !== undefined;
  if (node.default === undefined || node.description === undefined || (choices === null && !bounded))
    throw new TypeError(`configuration key ${path} lacks a default, a description or a bound`);
  return {
    path,
    segments,
    env: node.env ?? `STRATA_${segments.map(upperSnake).join('_')}`,
    kind: choices !== null ? 'choice' : node.type === 'integer' ? 'integer' : 'string',
    default: node.default,
    description: node.description,
    secret: node.secret ?? false,
    bounds: bounded ? { min, max } : null,
    choices,
  };
};

const upperSnake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

export const CONFIG_KEYS: readonly ConfigKey[] = keysOf(CONFIG_SCHEMA);
