/**
 * The contract between an isolate host and the bootstrap inside each isolate.
 *
 * Owns the operations and the encoding of what comes back. Both sides import it.
 *
 * The bootstrap script's completion value is `boot(seedHex, optionsJson)`, which returns `entry`. The host holds the
 * one reference to `entry` and calls it with primitives (and, for DEFINE and LOAD_MODULE, with one value of the
 * isolate's own). Nothing of the host is reachable from inside: there is no callback. What the guest has to say it
 * leaves in a buffer, which the host takes with COLLECT after every entry; microtasks have run by then.
 *
 * An *owner* is the number of the thing on whose behalf code runs: 0 is load and initializer, every invocation has
 * its own. An entry sets the owner, and it stays set while the microtasks of that entry run, so console lines and
 * timers find their owner. When an owner is done its timers are dropped and later lines are lost.
 */

export const OP = {
  /** (path, function): the compiled body of a CommonJS file: (exports, require, module, __filename, __dirname). */
  DEFINE: 1,
  /** (path, text): a JSON file. */
  DEFINE_JSON: 2,
  /** (path, GuestErrorJson): a file that did not compile; requiring it throws this. */
  DEFINE_BROKEN: 3,
  /** (LoadOptionsJson, nowMs): evaluates the handler's CommonJS file and finds the handler. Record: L or X. */
  LOAD: 4,
  /** (LoadOptionsJson, nowMs, namespace): the same for an ES module that the host has evaluated. Record: L or X. */
  LOAD_MODULE: 5,
  /** (nowMs): runs the initializer, if there is one. Record: I or X. */
  INIT: 6,
  /** (owner, id and caller, eventJson, timeoutMs, nowMs): calls the handler. Record: R or X, now or later. */
  INVOKE: 7,
  /** (owner, nowMs): runs the timers of this owner that are due. */
  TICK: 8,
  /** (owner): forgets the owner; its timers are dropped, its late result is ignored. */
  CANCEL: 9,
  /** (): returns the buffered records and empties the buffer. */
  COLLECT: 10,
  /** (path): evaluates a CommonJS or JSON file; JSON of { names: string[] } or { error: { type, message, stack } }. */
  EXPORT_NAMES: 11,
  /** (path, function): calls the function, which is a module's own, with the exports of that file. */
  EXPORT_TO: 12,
  /** (LoadOptionsJson, nowMs): sets environment and limits, owner 0, before an ES module is evaluated. No record. */
  PREPARE: 13,
  /** (owner, nowMs, events): what the network brought for the owner's requests; see NetworkEvent. */
  NETWORK: 14,
} as const;

/** What `boot` is told; sizes in bytes of UTF-16 code units are compared as characters. */
export interface BootOptions {
  /** Lines of one owner beyond this many characters are dropped and the log is marked truncated. */
  readonly logMaxChars: number;
  /** A result with more characters than this fails with `result_too_large`. */
  readonly resultMaxChars: number;
  readonly timersMax: number;
  /** Requests to the network that one instance may have open at a time. */
  readonly requestsMax: number;
  /** Redirects that one `fetch` follows. */
  readonly redirectsMax: number;
}

export interface LoadOptions {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly memoryMb: number;
  /** Normalised path of the handler's file. */
  readonly entryPath: string;
  readonly handlerExport: string;
  /** Null when there is none. */
  readonly initializerExport: string | null;
  /** Normalised path of the initializer's file. */
  readonly initializerPath: string | null;
  readonly env: Readonly<Record<string, string>>;
  /** These replace the defaults that the runtime was booted with. */
  readonly logMaxChars: number;
  readonly resultMaxChars: number;
}

/**
 * Records in the string that COLLECT returns, one after the other: kind, owner, a space, the payload's length in
 * UTF-16 code units, a newline, the payload. For example `R7 15\n{"hello":"Ada"}`.
 *
 * - `R` result: JSON text. Final for its owner.
 * - `X` failure: JSON of GuestFailure. Final for its owner.
 * - `L` loaded, `I` initialised: empty payload, owner 0.
 * - `G` log: JSON of GuestLog; zero or more before the final record.
 * - `T` timer: milliseconds until the owner's next timer is due, or `-1` when it has none; only when it changed.
 * - `F` request: its number, a space, 1 when a body follows and 0 otherwise, a space, the target (host and port), a
 *   newline, JSON of RequestHead. The bootstrap numbers the requests of an instance upwards.
 * - `B` part of a request's body: its number, a space, 1 when it is the last and 0 otherwise, a newline, a character for
 *   each byte.
 * - `C` credit: the request's number, a space, how many bytes of the answer have been used up.
 * - `Q` the request's number: nobody waits for it any more.
 */
export type RecordKind = 'R' | 'X' | 'L' | 'I' | 'G' | 'T' | 'F' | 'B' | 'C' | 'Q';

/**
 * What the network brought, in the text that NETWORK carries: one after the other kind, request, a space, the payload's
 * length, a newline, the payload.
 *
 * - `H` the answer's head: JSON of AnswerHead.
 * - `D` part of the answer's body, a character for each byte. `E` the last part.
 * - `C` how many bytes of the request's body have been used up.
 * - `X` it failed: JSON of NetworkFailure.
 */
export type NetworkEventKind = 'H' | 'D' | 'E' | 'C' | 'X';

/** Bytes of a body that may be under way before the other side has used some up, and those of one part. */
export const NETWORK_WINDOW_BYTES = 128 * 1024;
export const NETWORK_CHUNK_BYTES = 64 * 1024;

export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes of the body; null when there is none, or when that is not known beforehand. */
  readonly length: number | null;
}

export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface NetworkFailure {
  /** Of the catalogue of errors when it was refused; otherwise as the system or the HTTP client has it. */
  readonly code: string;
  readonly message: string;
  /** The request was refused or stopped here; otherwise the other side or the way to it failed. */
  readonly refused: boolean;
  readonly limit: {
    readonly kind: string;
    readonly configured: number;
    readonly observed: number | null;
  } | null;
}

export interface GuestFailure {
  /** `event_invalid` means that the event is not JSON: the caller's fault. */
  readonly code: 'function_error' | 'init_error' | 'result_invalid' | 'result_too_large' | 'event_invalid';
  readonly detail: string;
  /** What was thrown, reduced to strings; null when nothing was. */
  readonly error: { readonly type: string; readonly message: string; readonly stack: string } | null;
  /** Characters of a result that was too large. */
  readonly observed: number | null;
}

export interface GuestLog {
  readonly lines: readonly [level: 'debug' | 'info' | 'warn' | 'error', timeMs: number, message: string][];
  readonly truncated: boolean;
}

/** Headers of a request that the transport itself sets: to ask for them is in vain, as in the standard of fetch. */
export const CONNECTION_HEADERS = [
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'te', 'trailer', 'upgrade'],
  ...['expect', 'proxy-connection', 'proxy-authorization'],
] as const;
