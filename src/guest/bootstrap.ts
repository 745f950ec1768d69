/**
 * What runs inside each isolate: boots the globals and answers the host's operations.
 *
 * Owns the way from an operation to what it does. Never throws to the host and never hands guest code a part of
 * itself: neither `boot`, nor `entry`, nor anything they close over is reachable from a global. See contract.ts.
 */
import { enterAt } from './clock.ts';
import { createContext, createInitContext } from './context.ts';
import { type BootOptions, type LoadOptions, OP } from './contract.ts';
import { callGuest } from './dialects.ts';
import { failThrown } from './errors.ts';
import { exportNames, findExport, type GuestFunction } from './exported.ts';
import { installGlobals } from './globals/install.ts';
import { HANDLER_OUTCOME, INITIALIZER_OUTCOME, parseEvent } from './handler.ts';
import { lockDown } from './lockdown.ts';
import { defineBroken, defineJson, defineScript, exportsOf } from './modules.ts';
import { takeEvents } from './network.ts';
import { defineValue, JSONParse, ObjectKeys, quote } from './primordials.ts';
import {
  collect,
  dropOwner,
  enterOwner,
  limits,
  reportLoaded,
  resumeOwner,
  settle,
  settleFailure,
} from './records.ts';
import { describeError } from './thrown.ts';
import { installTimers, runDueTimers } from './timers.ts';

type Argument = string | number | GuestFunction | undefined;
type Entry = (
  op: number,
  a: Argument,
  b: Argument,
  c: Argument,
  d: Argument,
  e: Argument,
) => string | undefined;

const LOAD_OWNER = 0;

let loading: LoadOptions | null = null;
let handler: GuestFunction | null = null;
let initializer: GuestFunction | null = null;

/** @param seedHex 32 random bytes in hexadecimal; the guest's random numbers come from them. */
export const boot = (seedHex: string, optionsJson: string): Entry => {
  const options = JSONParse(optionsJson) as BootOptions;
  limits.logMaxChars = options.logMaxChars;
  limits.resultMaxChars = options.resultMaxChars;
  limits.timersMax = options.timersMax;
  limits.requestsMax = options.requestsMax;
  limits.redirectsMax = options.redirectsMax;
  lockDown(globalThis);
  installTimers(globalThis);
  installGlobals(globalThis, seedHex);
  return entry;
};

const entry: Entry = (op, a, b, c, d, e) => {
  try {
    return dispatch(op, a, b, c, d, e);
  } catch {
    // Each operation settles what goes wrong in it; what gets here is a stack overflow in doing so.
    return undefined;
  }
};

const dispatch: Entry = (op, a, b, c, d, e) => {
  if (op === OP.INVOKE) invoke(a as number, b as string, c as string, d as number, e as number);
  else if (op === OP.COLLECT) return collect();
  else if (op === OP.TICK) {
    enterAt(b as number);
    runDueTimers(a as number);
  } else if (op === OP.NETWORK) {
    enterAt(b as number);
    takeEvents(a as number, c as string);
  } else if (op === OP.CANCEL) dropOwner(a as number);
  else return dispatchLoading(op, a, b, c);
  return undefined;
};

const dispatchLoading = (op: number, a: Argument, b: Argument, c: Argument): string | undefined => {
  if (op === OP.DEFINE) defineScript(a as string, b as GuestFunction);
  else if (op === OP.DEFINE_JSON) defineJson(a as string, b as string);
  else if (op === OP.DEFINE_BROKEN) defineBroken(a as string, b as string);
  else if (op === OP.PREPARE) prepare(a as string, b as number);
  else if (op === OP.LOAD) load(prepare(a as string, b as number), undefined);
  else if (op === OP.LOAD_MODULE) load(prepare(a as string, b as number), c);
  else if (op === OP.INIT) initialise(a as number);
  else if (op === OP.EXPORT_NAMES) return namesJson(a as string);
  else if (op === OP.EXPORT_TO) exportTo(a as string, b as GuestFunction);
  return undefined;
};

/** Sets limits and environment, once: a module may have changed its environment before LOAD_MODULE. */
const prepare = (optionsJson: string, nowMs: number): LoadOptions => {
  enterAt(nowMs);
  enterOwner(LOAD_OWNER);
  if (loading !== null) return loading;
  const options = JSONParse(optionsJson) as LoadOptions;
  limits.logMaxChars = options.logMaxChars;
  limits.resultMaxChars = options.resultMaxChars;
  const env = {};
  const names = ObjectKeys(options.env);
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] as string;
    defineValue(env, name, options.env[name], true);
  }
  defineValue(globalThis, 'process', { env });
  loading = options;
  return options;
};

const load = (options: LoadOptions, namespace: unknown): void => {
  const owner = enterOwner(LOAD_OWNER);
  try {
    const exports = namespace === undefined ? exportsOf(options.entryPath) : namespace;
    const found = findExport(exports, options.handlerExport, options.entryPath);
    if (typeof found === 'string') {
      settleFailure(owner, 'init_error', `The handler was not found: ${found}.`);
      return;
    }
    if (options.initializerExport === null) {
      handler = found;
      settle(owner, 'L', '');
      return;
    }
    const path = options.initializerPath ?? options.entryPath;
    const home = path === options.entryPath ? exports : exportsOf(path);
    const foundInitializer = findExport(home, options.initializerExport, path);
    if (typeof foundInitializer === 'string') {
      settleFailure(owner, 'init_error', `The initializer was not found: ${foundInitializer}.`);
      return;
    }
    handler = found;
    initializer = foundInitializer;
    reportLoaded(owner);
  } catch (thrown) {
    failThrown(owner, 'init_error', 'Loading the code failed with', thrown);
  }
};

const initialise = (nowMs: number): void => {
  enterAt(nowMs);
  const owner = resumeOwner(LOAD_OWNER);
  if (owner === null) return;
  if (initializer === null || loading === null) {
    settle(owner, 'I', '');
    return;
  }
  callGuest(owner, initializer, createInitContext(loading), undefined, 1, INITIALIZER_OUTCOME);
};

const invoke = (
  number: number,
  invocationId: string,
  eventJson: string,
  timeoutMs: number,
  nowMs: number,
): void => {
  enterAt(nowMs);
  const owner = enterOwner(number);
  if (handler === null || loading === null) {
    settleFailure(owner, 'init_error', 'The function is not loaded.');
    return;
  }
  const event = parseEvent(owner, eventJson);
  if (owner.ended) return;
  callGuest(owner, handler, event, createContext(loading, invocationId, timeoutMs), 2, HANDLER_OUTCOME);
};

const namesJson = (path: string): string => {
  try {
    const names = exportNames(exportsOf(path));
    let list = '';
    for (let index = 0; index < names.length; index += 1) {
      list += (index === 0 ? '' : ',') + quote(names[index] as string);
    }
    return `{"names":[${list}]}`;
  } catch (thrown) {
    const { type, message, stack } = describeError(thrown);
    return `{"error":{"type":${quote(type)},"message":${quote(message)},"stack":${quote(stack)}}}`;
  }
};

const exportTo = (path: string, set: GuestFunction): void => {
  try {
    set(exportsOf(path));
  } catch (thrown) {
    const owner = resumeOwner(LOAD_OWNER);
    if (owner !== null) failThrown(owner, 'init_error', `Importing ${path} failed with`, thrown);
  }
};
