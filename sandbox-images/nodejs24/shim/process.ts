/**
 * One function in one process: loads it, runs its invocations, and answers each of them exactly once.
 *
 * Owns the order (load, then what waited for it, then what comes) and the frames that answer. Never decides about
 * time, memory or CPU: the server does, and the agent kills. What the code does to this process beyond its calls,
 * such as ending it, is left to happen.
 */
import { AsyncResource } from 'node:async_hooks';
import { callFields } from '../../../src/guest/called.ts';
import { callGuest, type Outcome } from '../../../src/guest/dialects.ts';
import type { GuestFunction } from '../../../src/guest/exported.ts';
import { JSONParse, MathFloor, ReflectApply } from '../../../src/guest/primordials.ts';
import { resultText, tooManyCharacters } from '../../../src/guest/results.ts';
import { describeError } from '../../../src/guest/thrown.ts';
import { FRAME, type Frame, type FrameWriter, LOG, OUTCOME } from '../../../src/sandbox/protocol/frames.ts';
import {
  type Call,
  endCall,
  type Level,
  onLine,
  openCall,
  presentCall,
  setLogMaxBytes,
  within,
} from './calls.ts';
import { type LoadMeta, loadFunction } from './code.ts';
import { tellAgent } from './console.ts';
import { describe, type FailureCode, failureJson, setCodePath, thrownJson } from './failures.ts';

const now = performance.now.bind(performance);
const bufferFrom = Buffer.from;
const bufferToString = Buffer.prototype.toString;
const Resource = AsyncResource;
const runInScope = AsyncResource.prototype.runInAsyncScope;
const NO_BYTES = Buffer.alloc(0);
/** The places of `LOG_LEVELS`. */
const LEVELS: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export class FunctionProcess {
  readonly #writer: FrameWriter;
  readonly #enterSurroundings: (meta: LoadMeta) => void;
  #state: 'booted' | 'loading' | 'serving' | 'failed' = 'booted';
  #meta: LoadMeta | null = null;
  #handler: GuestFunction | null = null;
  #loadedAtMs = 0;
  #waiting: Frame[] = [];

  constructor(writer: FrameWriter, enterSurroundings: (meta: LoadMeta) => void) {
    this.#writer = writer;
    this.#enterSurroundings = enterSurroundings;
    onLine((call, level, timeMs, message) => {
      const said =
        message === null
          ? { flags: LOG.ofCall | LOG.dropped, payload: NO_BYTES }
          : { flags: LOG.ofCall, payload: bufferFrom(message, 'utf8') };
      writer.send(FRAME.log, call.instance, call.nonce, { a: timeMs, b: LEVELS[level], ...said });
      writer.flush();
    });
  }

  /** @throws Error when the agent sends what makes no sense here; the process is of no use then. */
  accept(frame: Frame): void {
    if (frame.type === FRAME.load && this.#state === 'booted') this.#load(frame);
    else if (frame.type !== FRAME.invoke)
      throw new Error(`a frame of type ${frame.type} while ${this.#state}`);
    else if (this.#state === 'serving') this.#invoke(frame);
    else if (this.#state !== 'failed') this.#waiting.push(frame);
    // Who waits for a load that failed is told by the server.
  }

  /** An exception that nothing caught. False when it belongs to no call, and the process has to end. */
  uncaught(thrown: unknown, rejection: boolean): boolean {
    const call = presentCall();
    if (call === undefined || (call.ended && call.kind === 'load')) return false;
    if (call.ended) {
      tellAgent(`After the invocation had been answered: ${describe(thrown)}`);
    } else if (call.kind === 'load') {
      this.#fail(call, thrownJson('init_error', 'Loading the code failed with', thrown));
    } else {
      const what = rejection ? 'A promise was rejected and nobody handled it:' : 'A callback threw';
      this.#fail(call, thrownJson('function_error', what, thrown));
    }
    return true;
  }

  #load(frame: Frame): void {
    const call = openCall('load', frame.instance, frame.nonce, now());
    const meta = JSONParse(frame.meta) as LoadMeta;
    this.#state = 'loading';
    this.#meta = meta;
    setLogMaxBytes(meta.logMaxBytes);
    setCodePath(meta.codePath);
    within(call, () => {
      inScope(() => void this.#loadCode(call, meta));
    });
  }

  async #loadCode(call: Call, meta: LoadMeta): Promise<void> {
    try {
      this.#enterSurroundings(meta);
      const handler = await loadFunction(meta.codePath, meta.entry);
      if (typeof handler === 'string') {
        this.#fail(call, failureJson('init_error', `The handler was not found: ${handler}.`));
        return;
      }
      this.#handler = handler;
      const initializer =
        meta.initializerEntry === null ? null : await loadFunction(meta.codePath, meta.initializerEntry);
      if (typeof initializer === 'string') {
        this.#fail(call, failureJson('init_error', `The initializer was not found: ${initializer}.`));
        return;
      }
      this.#loadedAtMs = now();
      if (initializer === null) this.#loaded(call, null);
      else callGuest(call, initializer, initContextOf(meta), undefined, 1, this.#initialized);
    } catch (thrown) {
      this.#fail(call, thrownJson('init_error', 'Loading the code failed with', thrown));
    }
  }

  #invoke(frame: Frame): void {
    const call = openCall('invocation', frame.instance, frame.nonce, now());
    const meta = this.#meta;
    const handler = this.#handler;
    if (meta === null || handler === null) throw new Error('an invocation before the load');
    const eventJson = textOf(frame.payload);
    within(call, () => {
      inScope(() => {
        let event: unknown;
        try {
          event = JSONParse(eventJson);
        } catch (thrown) {
          const detail = `The event is not JSON: ${describeError(thrown).message}`;
          this.#fail(call, failureJson('invalid_request', detail));
          return;
        }
        callGuest(call, handler, event, contextOf(meta, frame.meta, frame.a), 2, this.#returned);
      });
    });
  }

  readonly #initialized: Outcome<Call> = {
    returned: (call) => this.#loaded(call, null),
    threw: (call, thrown) => this.#failThrown(call, 'init_error', 'The initializer failed with', thrown),
  };

  readonly #returned: Outcome<Call> = {
    returned: (call, value) => {
      if (!call.ended) this.#settle(call, value);
    },
    threw: (call, thrown) => this.#failThrown(call, 'function_error', 'The handler failed with', thrown),
  };

  #failThrown(call: Call, code: FailureCode, what: string, thrown: unknown): void {
    if (!call.ended) this.#fail(call, thrownJson(code, what, thrown));
  }

  #settle(call: Call, value: unknown): void {
    const text = resultText(value);
    const max = this.#meta?.resultMaxBytes ?? 0;
    if (typeof text !== 'string') this.#fail(call, failureJson('result_invalid', text.invalid));
    else if (text.length > max)
      this.#fail(call, tooLarge(tooManyCharacters(text.length, max), max, text.length));
    else {
      const bytes = bufferFrom(text, 'utf8');
      if (bytes.length > max) this.#fail(call, tooLarge(tooManyBytes(bytes.length, max), max, bytes.length));
      else this.#answer(call, FRAME.outcome, null, { b: now() - call.startedMs, c: -1, payload: bytes });
    }
  }

  #fail(call: Call, failure: string): void {
    if (call.kind === 'load') this.#loaded(call, failure);
    else this.#answer(call, FRAME.outcome, failure, { b: now() - call.startedMs, c: -1, payload: NO_BYTES });
  }

  #loaded(call: Call, failure: string | null): void {
    if (call.ended) return;
    const at = now();
    const loadMs = (this.#loadedAtMs === 0 ? at : this.#loadedAtMs) - call.startedMs;
    const initMs = this.#loadedAtMs === 0 ? 0 : at - this.#loadedAtMs;
    this.#state = failure === null ? 'serving' : 'failed';
    this.#answer(call, FRAME.loaded, failure, { b: loadMs, c: initMs, payload: NO_BYTES });
    const waiting = this.#waiting;
    this.#waiting = [];
    if (failure === null)
      for (let index = 0; index < waiting.length; index += 1) this.#invoke(waiting[index] as Frame);
  }

  #answer(
    call: Call,
    type: typeof FRAME.loaded | typeof FRAME.outcome,
    failure: string | null,
    fields: { b: number; c: number; payload: Uint8Array },
  ): void {
    if (call.ended) return;
    endCall(call);
    const plain = failure === null && !call.truncated;
    const flags = failure === null ? 0 : OUTCOME.failed;
    this.#writer.send(type, call.instance, call.nonce, {
      a: 0,
      b: fields.b,
      c: fields.c,
      payload: fields.payload,
      flags: plain ? flags : flags | OUTCOME.hasTail,
      meta: plain ? '' : `{"failure":${failure},"logs":[],"logTruncated":${call.truncated}}`,
    });
    this.#writer.flush();
  }
}

/** Under a resource of its own: the one that runs now is the connection to the agent. */
const inScope = (run: () => void): void => {
  ReflectApply(runInScope, new Resource('Invocation'), [run]);
};

const textOf = (bytes: Buffer): string => ReflectApply(bufferToString, bytes, ['utf8']) as string;

const tooManyBytes = (bytes: number, max: number): string =>
  `The result has ${bytes} bytes; ${max} are allowed. Return less, or store the data elsewhere.`;

const tooLarge = (detail: string, configured: number, observed: number): string =>
  failureJson(
    'result_too_large',
    detail,
    'null',
    `{"kind":"resultBytes","configured":${configured},"observed":${observed}}`,
  );

const initContextOf = (meta: LoadMeta): object => ({
  functionName: meta.functionName,
  functionVersion: meta.functionVersion,
  memoryLimitInMB: meta.memoryMb,
});

const contextOf = (meta: LoadMeta, called: string, timeoutMs: number): object => {
  const deadlineMs = now() + timeoutMs;
  return {
    ...callFields(meta, called),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: (): number => {
      const leftMs = deadlineMs - now();
      return leftMs > 0 ? MathFloor(leftMs) : 0;
    },
  };
};
