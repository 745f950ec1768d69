/**
 * Every key of the configuration: its type, default, bounds and meaning, in one schema.
 *
 * Owns the whole of it; the groups are in `schema/`. Never reads a file or the environment; `config.ts` does, and
 * `docs/config.md` is generated from here. Invariant: every number has a lower and an upper bound.
 */
import type { Static, TSchema } from 'typebox';
import { AUDIT, AUTH, QUOTAS } from './schema/accounts.ts';
import { ASYNC } from './schema/async.ts';
import { CONTAINER } from './schema/container.ts';
import { EGRESS } from './schema/egress.ts';
import { ISOLATE } from './schema/isolate.ts';
import { LAMBDA } from './schema/lambda.ts';
import { LEDGER } from './schema/ledger.ts';
import { group, type KeyOptions, text } from './schema/nodes.ts';
import { ADMISSION, MACHINE, POLICY, QUEUE } from './schema/scheduling.ts';
import { LIMITS, LOG, RECORDS, SERVER } from './schema/server.ts';
import { STATS } from './schema/stats.ts';

export const CONFIG_SCHEMA = group('The configuration of Strata.', {
  dataDir: text(
    './data',
    'The folder of the databases and the stored code; `:memory:` keeps all of it in memory and forgets it at exit.',
  ),
  server: SERVER,
  log: LOG,
  auth: AUTH,
  quotas: QUOTAS,
  audit: AUDIT,
  limits: LIMITS,
  admission: ADMISSION,
  queue: QUEUE,
  async: ASYNC,
  policy: POLICY,
  machine: MACHINE,
  isolate: ISOLATE,
  container: CONTAINER,
  egress: EGRESS,
  records: RECORDS,
  stats: STATS,
  ledger: LEDGER,
  lambda: LAMBDA,
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
