/**
 * Owners and the records about them: what the host reads with COLLECT.
 *
 * Owns the output buffer, who is alive and on whose behalf code runs. Never hands the buffer or an owner to guest
 * code. Invariants: at most one final record an owner; the buffer changes by one concatenation, so that a stack
 * overflow cannot leave half a record; what belongs to no living owner is dropped.
 */
import type { GuestFailure, GuestLog, RecordKind } from './contract.ts';
import type { OpenRequest } from './network.ts';
import { DateNow, MapDelete, MapForEach, MapGet, MapSet, quote, SafeMap } from './primordials.ts';
import type { TimerState } from './timers.ts';

export interface Owner {
  readonly number: number;
  ended: boolean;
  /** Lines that are not in the buffer yet, as JSON separated by commas. */
  lines: string;
  logChars: number;
  /** A line was dropped; no later one is kept. */
  truncated: boolean;
  /** Something is to be said in the next log record. */
  logChanged: boolean;
  timers: Map<number, TimerState> | null;
  /** Its requests to the network that are under way. */
  requests: Map<number, OpenRequest> | null;
  /** The host has to be told anew when the next timer is due. */
  timersChanged: boolean;
  announced: boolean;
  indent: string;
  counts: Record<string, number> | null;
  stopwatches: Record<string, number> | null;
}

/** Limits that the host sets at boot and with the code. */
export const limits = { logMaxChars: 0, resultMaxChars: 0, timersMax: 0, requestsMax: 0, redirectsMax: 0 };

const living = new SafeMap<number, Owner>();
/** The timers of all owners by number. */
export const timersById = new SafeMap<number, TimerState>();
/** The requests of all owners by number. */
export const requestsByNumber = new SafeMap<number, OpenRequest>();
let current: Owner | null = null;
let buffer = '';
let nextDelayOf: (owner: Owner) => number = () => -1;
let networkOf: (owner: Owner) => string = () => '';
let networkTold: (owner: Owner) => void = () => undefined;

/** Tells how to find the delay of an owner's next timer; timers.ts does. */
export const onTimerQuestion = (answer: (owner: Owner) => number): void => {
  nextDelayOf = answer;
};

/** Tells how to find the records about an owner's requests, and that they were taken; network.ts does. */
export const onNetworkQuestion = (answer: (owner: Owner) => string, told: (owner: Owner) => void): void => {
  networkOf = answer;
  networkTold = told;
};

/** The living owner on whose behalf code runs now, or null. */
export const liveOwner = (): Owner | null => (current === null || current.ended ? null : current);

/** Makes an owner the current one, and a new one where there is none. */
export const enterOwner = (number: number): Owner => {
  const known = MapGet(living, number);
  const owner = known ?? newOwner(number);
  if (known === undefined) MapSet(living, number, owner);
  current = owner;
  return owner;
};

/** Makes an owner the current one, if it lives. */
export const resumeOwner = (number: number): Owner | null => {
  current = MapGet(living, number) ?? null;
  return current;
};

/** Forgets an owner without a record. */
export const dropOwner = (number: number): void => {
  const owner = MapGet(living, number);
  if (owner === undefined) return;
  forget(owner);
};

const forget = (owner: Owner): void => {
  MapDelete(living, owner.number);
  if (owner.timers !== null) MapForEach(owner.timers, (timer) => MapDelete(timersById, timer.id));
  owner.timers = null;
  if (owner.requests !== null)
    MapForEach(owner.requests, (request) => MapDelete(requestsByNumber, request.number));
  owner.requests = null;
  owner.ended = true;
};

/** Writes an owner's last record. Later calls for the same owner do nothing. */
export const settle = (owner: Owner, kind: 'R' | 'X' | 'L' | 'I', payload: string): void => {
  if (owner.ended) return;
  const text = logRecord(owner) + networkOf(owner) + record(kind, owner, payload);
  forget(owner);
  buffer += text;
};

/** Says something about a request; lost when its owner is done. */
export const tellNetwork = (owner: Owner, kind: 'Q', payload: string): void => {
  if (!owner.ended) buffer += record(kind, owner, payload);
};

/** Says that the code is loaded while its owner lives on, because an initializer follows. */
export const reportLoaded = (owner: Owner): void => {
  if (!owner.ended) buffer += record('L', owner, '');
};

export const settleFailure = (
  owner: Owner,
  code: GuestFailure['code'],
  detail: string,
  error: GuestFailure['error'] = null,
  observed: number | null = null,
): void => {
  const errorJson =
    error === null
      ? 'null'
      : `{"type":${quote(error.type)},"message":${quote(error.message)},"stack":${quote(error.stack)}}`;
  const json = `{"code":${quote(code)},"detail":${quote(detail)},"error":${errorJson},"observed":${observed === null ? 'null' : `${observed}`}}`;
  settle(owner, 'X', json);
};

/** Adds a line to the current owner's log; dropped when there is none or its log is full. */
export const addLine = (level: GuestLog['lines'][number][0], message: string): void => {
  const owner = liveOwner();
  if (owner === null || owner.truncated) return;
  // One more for the line's end: without it, empty lines would cost nothing.
  const chars = owner.logChars + message.length + 1;
  if (chars > limits.logMaxChars) {
    owner.truncated = true;
    owner.logChanged = true;
    return;
  }
  const line = `["${level}",${DateNow()},${quote(message)}]`;
  owner.logChars = chars;
  owner.lines = owner.lines === '' ? line : `${owner.lines},${line}`;
  owner.logChanged = true;
};

/** Returns the records so far and empties the buffer. */
export const collect = (): string => {
  MapForEach(living, flush);
  const text = buffer;
  buffer = '';
  return text;
};

const flush = (owner: Owner): void => {
  if (owner.logChanged) buffer += logRecord(owner);
  if (owner.requests !== null) {
    buffer += networkOf(owner);
    networkTold(owner);
  }
  if (!owner.timersChanged) return;
  owner.timersChanged = false;
  const delayMs = nextDelayOf(owner);
  // Nothing to take back when nothing was announced.
  if (delayMs < 0 && !owner.announced) return;
  owner.announced = delayMs >= 0;
  buffer += record('T', owner, `${delayMs}`);
};

const logRecord = (owner: Owner): string => {
  if (!owner.logChanged) return '';
  const text = record(
    'G',
    owner,
    `{"lines":[${owner.lines}],"truncated":${owner.truncated ? 'true' : 'false'}}`,
  );
  owner.lines = '';
  owner.logChanged = false;
  return text;
};

export const record = (kind: RecordKind, owner: Owner, payload: string): string =>
  `${kind}${owner.number} ${payload.length}\n${payload}`;

const newOwner = (number: number): Owner => ({
  number,
  ended: false,
  lines: '',
  logChars: 0,
  truncated: false,
  logChanged: false,
  timers: null,
  requests: null,
  timersChanged: false,
  announced: false,
  indent: '',
  counts: null,
  stopwatches: null,
});
