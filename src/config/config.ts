/**
 * Loads the configuration: defaults, then the file, then the environment, then what code gives; each overrides
 * the one before.
 *
 * Owns merging and refusing. Never prints. Invariants: the result is complete, within bounds and frozen; an
 * unknown key or a bad value is refused with the key, the value, the bound and where it came from.
 */
import { readFileSync } from 'node:fs';
import { StrataError } from '../core/errors.ts';
import { CONFIG_KEYS, type Config, type ConfigKey, type ConfigOverrides } from './schema.ts';

export type { Config, ConfigOverrides } from './schema.ts';

export interface ConfigSources {
  /** The environment of the process; only the names that `docs/config.md` lists are looked at. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file; the variable STRATA_CONFIG names one when this is absent. */
  readonly file?: string | undefined;
  /** Command-line flags or options of the library; the strongest source. */
  readonly overrides?: ConfigOverrides;
  /** Reads a file as text; the file system unless told. */
  readonly readText?: (path: string) => string;
}

/**
 * The merged configuration.
 * @throws StrataError `invalid_request` for an unknown key, a value out of bounds or an unreadable file.
 */
export const loadConfig = (sources: ConfigSources = {}): Config => {
  const env = sources.env ?? {};
  const file = sources.file ?? (env[FILE_VARIABLE] || undefined);
  const values = new Map<string, Setting>();
  for (const key of CONFIG_KEYS) values.set(key.path, { value: key.default, source: 'the default' });
  if (file !== undefined) applyObject(values, readFile(file, sources.readText ?? readUtf8), `file ${file}`);
  applyEnvironment(values, env);
  applyObject(values, sources.overrides ?? {}, 'the options given');
  refuseContradictions(values);
  return build(values);
};

/** One line of the configuration as it is shown to people. */
export interface ConfigLine {
  readonly key: string;
  readonly value: string;
  /** True when it is not the default. */
  readonly changed: boolean;
}

/** Every key with its value, for printing at start; the values of secret keys are replaced. */
export const describeConfig = (config: Config, keys: readonly ConfigKey[] = CONFIG_KEYS): ConfigLine[] =>
  keys.map((key) => {
    const value = valueAt(config, key.segments);
    return {
      key: key.path,
      value: key.secret ? '(redacted)' : String(value),
      changed: value !== key.default,
    };
  });

interface Setting {
  readonly value: number | string;
  readonly source: string;
}

const FILE_VARIABLE = 'STRATA_CONFIG';
const KEYS_BY_PATH = new Map(CONFIG_KEYS.map((key) => [key.path, key]));
const KEYS_BY_ENV = new Map(CONFIG_KEYS.map((key) => [key.env, key]));
const GROUPS = new Set(CONFIG_KEYS.flatMap((key) => key.segments.slice(0, -1)));
const GROUP_ENV_PREFIXES = [...GROUPS].map((group) => `STRATA_${group.toUpperCase()}_`);

/** Pairs of which the first can never be met when it is above the second. */
const AT_MOST: readonly (readonly [string, string])[] = [
  ['isolate.pristineHosts', 'isolate.maxHosts'],
  ['isolate.runtimesPerHost', 'isolate.maxInstancesPerHost'],
  ['isolate.spareRuntimes', 'isolate.maxInstancesPerHost'],
  ['container.pristine', 'container.maxContainers'],
  ['admission.maxInFlightPerTenant', 'admission.maxInFlight'],
];

/** Pairs that must be apart: the same value for both would switch to and fro. */
const BELOW: readonly (readonly [string, string])[] = [
  ['machine.memoryLowPercent', 'machine.memoryHighPercent'],
];

const readUtf8 = (path: string): string => readFileSync(path, 'utf8');

const readFile = (path: string, readText: (path: string) => string): unknown => {
  try {
    return JSON.parse(readText(path));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StrataError(
      'invalid_request',
      `The configuration file ${path} cannot be read as JSON: ${reason}.`,
      {
        cause,
      },
    );
  }
};

const applyObject = (
  values: Map<string, Setting>,
  given: unknown,
  source: string,
  segments: readonly string[] = [],
): void => {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const where = segments.length === 0 ? 'the configuration' : segments.join('.');
    refuse(`${where} must be an object; seen ${shown(given)} in ${source}.`);
  }
  for (const [name, value] of Object.entries(given)) {
    const path = [...segments, name].join('.');
    const key = KEYS_BY_PATH.get(path);
    if (key !== undefined) {
      if (value !== undefined) values.set(path, { value: checked(key, value, source), source });
    } else if (segments.length === 0 && GROUPS.has(name)) {
      if (value !== undefined) applyObject(values, value, source, [name]);
    } else {
      refuse(`${bounded(path)} in ${source} is not a configuration key; docs/config.md lists them.`);
    }
  }
};

/** An empty variable counts as not set, because compose files and shells cannot leave one out. */
const applyEnvironment = (
  values: Map<string, Setting>,
  env: Readonly<Record<string, string | undefined>>,
): void => {
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue;
    const key = KEYS_BY_ENV.get(name);
    if (key !== undefined) {
      const source = `environment variable ${name}`;
      const number = key.kind === 'integer' && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : null;
      values.set(key.path, { value: checked(key, number ?? value, source), source });
    } else if (GROUP_ENV_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      refuse(`The environment variable ${bounded(name)} is not one of Strata's; docs/config.md lists them.`);
    }
  }
};

const checked = (key: ConfigKey, value: unknown, source: string): number | string => {
  if (key.kind === 'integer' && Number.isInteger(value) && within(key, value as number))
    return value as number;
  if (key.kind === 'choice' && typeof value === 'string' && key.choices?.includes(value)) return value;
  if (
    key.kind === 'string' &&
    typeof value === 'string' &&
    within(key, value.length) &&
    !value.includes('\0')
  )
    return value;
  const seen = key.secret ? '(redacted)' : shown(value);
  refuse(`${key.path} must be ${allowed(key)}; seen ${seen} in ${source}.`);
};

const within = (key: ConfigKey, size: number): boolean =>
  key.bounds !== null && size >= key.bounds.min && size <= key.bounds.max;

/** What a key takes, in words: for error messages and for the docs. */
export const allowed = (key: ConfigKey): string => {
  if (key.choices !== null) return `one of ${key.choices.join(', ')}`;
  const range = `${key.bounds?.min} to ${key.bounds?.max}`;
  return key.kind === 'integer' ? `an integer from ${range}` : `a string of ${range} characters`;
};

const refuseContradictions = (values: ReadonlyMap<string, Setting>): void => {
  const numberOf = (path: string): number => Number(values.get(path)?.value);
  const refusePair = (lower: string, rule: string, upper: string): never => {
    const seen = [lower, upper].map((path) => `${numberOf(path)} from ${values.get(path)?.source}`);
    return refuse(
      `${lower} must be ${rule} ${upper}; seen ${seen.join(' and ')}. Lower one or raise the other.`,
    );
  };
  for (const [lower, upper] of AT_MOST)
    if (numberOf(lower) > numberOf(upper)) refusePair(lower, 'at most', upper);
  for (const [lower, upper] of BELOW)
    if (numberOf(lower) >= numberOf(upper)) refusePair(lower, 'below', upper);
};

const build = (values: ReadonlyMap<string, Setting>): Config => {
  const root: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const [first, second] = key.segments;
    const value = values.get(key.path)?.value;
    if (first === undefined) continue;
    if (second === undefined) root[first] = value;
    else root[first] = { ...(root[first] as object | undefined), [second]: value };
  }
  for (const value of Object.values(root)) Object.freeze(value);
  return Object.freeze(root) as Config;
};

const valueAt = (config: unknown, segments: readonly string[]): unknown =>
  segments.reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], config);

const SHOWN_MAX_LENGTH = 100;

const bounded = (text: string): string =>
  text.length <= SHOWN_MAX_LENGTH ? text : `${text.slice(0, SHOWN_MAX_LENGTH)}…`;

const shown = (value: unknown): string => bounded(JSON.stringify(value) ?? String(value));

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
