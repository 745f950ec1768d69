/**
 * AbortController and AbortSignal.
 */
import { DOMException } from './dom-exception.ts';
import { Event, EventTarget } from './events.ts';
import { services } from './services.ts';

/** Makes and aborts signals; only the classes of this module can. */
let makeSignal: () => AbortSignal;
let abortSignal: (signal: AbortSignal, reason: unknown) => void;
let making = false;

export class AbortSignal extends EventTarget {
  static {
    makeSignal = () => {
      making = true;
      try {
        return new AbortSignal();
      } finally {
        making = false;
      }
    };
    abortSignal = (signal, reason) => signal.#abort(reason);
  }

  #aborted = false;
  #reason: unknown;
  #onabort: ((event: Event) => unknown) | null = null;
  readonly #dependents: AbortSignal[] = [];

  constructor() {
    super();
    if (!making) throw new TypeError('AbortSignal cannot be constructed; use an AbortController');
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = makeSignal();
    signal.#abort(reason);
    return signal;
  }

  static timeout(delayMs: number): AbortSignal {
    const delay = Number(delayMs);
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`AbortSignal.timeout needs a number of milliseconds, not ${String(delayMs)}`);
    }
    const signal = makeSignal();
    const abort = (): void => signal.#abort(new DOMException('The operation timed out', 'TimeoutError'));
    services.startTimer(abort, Math.min(delay, 2 ** 31 - 1));
    return signal;
  }

  /** A signal that is aborted as soon as one of the given is. */
  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const result = makeSignal();
    const sources = [...signals];
    for (const source of sources) {
      if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any needs AbortSignals');
    }
    const aborted = sources.find((source) => source.#aborted);
    if (aborted !== undefined) {
      result.#aborted = true;
      result.#reason = aborted.#reason;
    } else for (const source of sources) source.#dependents.push(result);
    return result;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  get onabort(): ((event: Event) => unknown) | null {
    return this.#onabort;
  }

  set onabort(handler: unknown) {
    if (this.#onabort !== null) this.removeEventListener('abort', this.#onabort);
    this.#onabort = typeof handler === 'function' ? (handler as (event: Event) => unknown) : null;
    if (this.#onabort !== null) this.addEventListener('abort', this.#onabort);
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  override get [Symbol.toStringTag](): string {
    return 'AbortSignal';
  }

  #abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason =
      reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
    this.dispatchEvent(new Event('abort'));
    for (const dependent of this.#dependents.splice(0)) dependent.#abort(this.#reason);
  }
}

export class AbortController {
  readonly #signal = makeSignal();

  get signal(): AbortSignal {
    return this.#signal;
  }

  abort(reason?: unknown): void {
    abortSignal(this.#signal, reason);
  }

  get [Symbol.toStringTag](): string {
    return 'AbortController';
  }
}
