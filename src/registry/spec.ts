/**
 * Checks a spec as a caller gives it and completes it with defaults.
 *
 * Owns every refusal that concerns the spec and not the code itself. Never stores anything. Invariants: what comes
 * out is frozen and within bounds, and shares no object with what came in; a message never shows the value of an
 * environment variable or the text of code, because both may hold secrets.
 */
import { Compile } from 'typebox/compile';
import { StrataError } from '../core/errors.ts';
import {
  ANNOTATIONS_MAX_BYTES,
  DESCRIPTION_MAX_LENGTH,
  ENV_MAX_BYTES,
  FUNCTION_NAME_PATTERN,
  HANDLER_MAX_LENGTH,
  HANDLER_PATTERN,
  LABEL_MAX_LENGTH,
  MEMORY_BOUNDS,
  SPEC_BOUNDS,
  TENANT_NAME_PATTERN,
} from '../core/limits.ts';
import { BOOTSTRAP, type FunctionSpec, type FunctionSpecInput } from '../core/spec.ts';
import { completeAsync } from './async-policy.ts';
import { completeAllow, type NetworkRules, PUBLIC_NETWORK } from './network.ts';
import { explain, FORBIDDEN_KEYS, isObject, shown } from './spec-errors.ts';
import { DEFAULT_HANDLER, FUNCTION_SPEC_SCHEMA } from './spec-schema.ts';

/**
 * The complete spec of a function.
 * @throws StrataError `invalid_request` naming the field, the value and what is allowed.
 */
export const completeSpec = (
  name: string,
  input: FunctionSpecInput,
  network: NetworkRules = PUBLIC_NETWORK,
): FunctionSpec => {
  checkFunctionName(name);
  refuseForbiddenKeys(input);
  refuseLongText(input);
  refuseBrokenText(input);
  if (!VALIDATOR.Check(input)) refuse(explain(input, VALIDATOR.Errors(input)));
  const env = copy(input.env);
  const spec: FunctionSpec = {
    runtime: input.runtime,
    handler: input.handler ?? (input.runtime === 'provided' ? BOOTSTRAP : DEFAULT_HANDLER),
    memoryMb: input.memoryMb ?? SPEC_BOUNDS.memoryMb.default,
    timeoutMs: input.timeoutMs ?? SPEC_BOUNDS.timeoutMs.default,
    cpuMs: input.cpuMs ?? SPEC_BOUNDS.cpuMs.default,
    processModel: input.processModel ?? 'resident',
    concurrency: input.concurrency ?? SPEC_BOUNDS.concurrency.default,
    initializer: input.initializer ?? null,
    initTimeoutMs: input.initTimeoutMs ?? SPEC_BOUNDS.initTimeoutMs.default,
    minInstances: input.minInstances ?? SPEC_BOUNDS.minInstances.default,
    maxInstances: input.maxInstances ?? SPEC_BOUNDS.maxInstances.default,
    reservedConcurrency: input.reservedConcurrency ?? SPEC_BOUNDS.reservedConcurrency.default,
    idleTimeoutMs: input.idleTimeoutMs ?? SPEC_BOUNDS.idleTimeoutMs.default,
    env,
    labels: copy(input.labels),
    annotations: copy(input.annotations),
    description: input.description ?? '',
    network: Object.freeze({ allow: completeAllow(input.network?.allow ?? [], network) }),
    async: completeAsync(input.async ?? {}, network),
    enabled: input.enabled ?? true,
    auth: input.auth ?? 'key',
  };
  refuseBadEnv(env);
  refuseLargeAnnotations(spec.annotations);
  refuseBadHandlers(spec);
  refuseWrongMemory(spec);
  refuseContradictions(spec);
  return Object.freeze(spec);
};

/** @throws StrataError `invalid_request`. */
export const checkFunctionName = (name: string): void => checkName('name', name, FUNCTION_NAME);

/** @throws StrataError `invalid_request`. */
export const checkTenantName = (tenant: string): void => checkName('tenant', tenant, TENANT_NAME);

/** True for a name that a function could have. */
export const isFunctionName = (name: string): boolean => name.length <= 64 && FUNCTION_NAME.test(name);

const VALIDATOR = Compile(FUNCTION_SPEC_SCHEMA);
const FUNCTION_NAME = new RegExp(FUNCTION_NAME_PATTERN);
const TENANT_NAME = new RegExp(TENANT_NAME_PATTERN);
const HANDLER = new RegExp(HANDLER_PATTERN);
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const checkName = (what: string, name: unknown, pattern: RegExp): void => {
  if (typeof name === 'string' && name.length <= 64 && pattern.test(name)) return;
  refuse(
    `${what}: ${shown(name)} is not allowed; use a letter or digit, then letters, digits, "-" and "_", ` +
      '64 characters at most.',
  );
};

/** Keys that name parts of every object's prototype would be lost or misread when the map is copied. */
const refuseForbiddenKeys = (input: unknown): void => {
  if (!isObject(input)) return;
  const code = input.code;
  const maps = {
    env: input.env,
    labels: input.labels,
    annotations: input.annotations,
    'code.files': isObject(code) ? code.files : undefined,
  };
  for (const [field, map] of Object.entries(maps)) {
    if (!isObject(map)) continue;
    for (const key of FORBIDDEN_KEYS)
      if (Object.hasOwn(map, key)) refuse(`${field}: the key ${shown(key)} is not allowed; choose another.`);
  }
};

/** Runs before the schema, whose own length check and patterns take time in proportion to the text. */
const refuseLongText = (input: unknown): void => {
  if (!isObject(input)) return;
  refuseLonger('description', input.description, DESCRIPTION_MAX_LENGTH);
  refuseLonger('handler', input.handler, HANDLER_MAX_LENGTH);
  refuseLonger('initializer', input.initializer, HANDLER_MAX_LENGTH);
  if (!isObject(input.labels)) return;
  for (const [key, value] of Object.entries(input.labels)) {
    if (key.length === 0) refuse('labels: an empty key is not allowed; give the label a name.');
    refuseLonger('labels: the key', key, LABEL_MAX_LENGTH);
    refuseLonger(`labels.${key}`, value, LABEL_MAX_LENGTH);
  }
};

const refuseLonger = (field: string, text: unknown, max: number): void => {
  if (typeof text === 'string' && text.length > max)
    refuse(`${field}: ${shown(text)} has ${text.length} characters; at most ${max} are allowed.`);
};

/** Half a surrogate pair is stored as another character than it was sent. */
const refuseBrokenText = (input: unknown): void => {
  if (!isObject(input)) return;
  const { description, handler, initializer, env, labels, annotations } = input;
  const fields = { description, handler, initializer, env, labels, annotations };
  for (const [field, value] of Object.entries(fields)) {
    const texts = isObject(value) ? Object.entries(value).flat() : [value];
    if (texts.some((text) => typeof text === 'string' && !text.isWellFormed()))
      refuse(`${field}: is not valid Unicode: it holds half a surrogate pair; remove it.`);
  }
};

const refuseBadEnv = (env: Readonly<Record<string, string>>): void => {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name))
      refuse(`env: the name ${shown(name)} is not allowed; it must match ${ENV_NAME.source}.`);
    if (value.includes('\0')) refuse(`env.${shown(name)}: the value holds a NUL character; remove it.`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > ENV_MAX_BYTES)
    refuse(`env: names and values have ${bytes} bytes together; at most ${ENV_MAX_BYTES} are allowed.`);
};

const refuseLargeAnnotations = (annotations: Readonly<Record<string, string>>): void => {
  let bytes = 0;
  for (const text of Object.entries(annotations).flat()) bytes += Buffer.byteLength(text);
  if (bytes > ANNOTATIONS_MAX_BYTES)
    refuse(`annotations: have ${bytes} bytes together; at most ${ANNOTATIONS_MAX_BYTES} are allowed.`);
};

/** `provided` gives its handler to the bootstrap as text; every other runtime looks it up as a file and an export. */
const refuseBadHandlers = ({ runtime, handler, initializer }: FunctionSpec): void => {
  if (runtime !== 'provided') {
    for (const [field, value] of Object.entries({ handler, initializer }))
      if (value !== null && !HANDLER.test(value))
        refuse(
          `${field}: must be the path of a file without its ending, ".", and the name of an export, as ` +
            `"index.handler"; seen ${shown(value)}.`,
        );
    return;
  }
  if (handler.includes('\0')) refuse('handler: holds a NUL character; remove it.');
  if (initializer !== null)
    refuse(
      `initializer: ${shown(initializer)} cannot be called with the runtime provided; what its bootstrap does ` +
        'before it asks for the first event is the initializer. Leave the field out.',
    );
};

const refuseWrongMemory = ({ runtime, memoryMb }: FunctionSpec): void => {
  const { min, max } = MEMORY_BOUNDS[runtime];
  if (memoryMb < min || memoryMb > max)
    refuse(`memoryMb: must be from ${min} to ${max} with the runtime ${runtime}; seen ${memoryMb}.`);
};

const refuseContradictions = (spec: FunctionSpec): void => {
  if (spec.minInstances > spec.maxInstances)
    refuse(
      `minInstances: ${spec.minInstances} is more than maxInstances, ${spec.maxInstances}; lower one or raise the other.`,
    );
  const places = spec.maxInstances * spec.concurrency;
  if (spec.reservedConcurrency > places)
    refuse(
      `reservedConcurrency: ${spec.reservedConcurrency} is more than the ${places} invocations that maxInstances times ` +
        'concurrency lets run; lower it or raise one of the others.',
    );
  if (spec.processModel === 'ephemeral' && spec.concurrency > 1)
    refuse(
      `concurrency: ${spec.concurrency} contradicts processModel ephemeral, whose instances serve one invocation; ` +
        'use 1, or resident.',
    );
  if (spec.runtime === 'provided' && spec.concurrency > 1)
    refuse(
      `concurrency: ${spec.concurrency} is not offered with the runtime provided, whose bootstrap takes one event at ` +
        'a time; use 1, and maxInstances for more.',
    );
};

const copy = (map: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> =>
  Object.freeze({ ...map });

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
