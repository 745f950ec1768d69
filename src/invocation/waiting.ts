/**
 * How an invocation may wait for an instance: for how long, and until its caller goes away.
 *
 * Owns the bound that a caller sets, and what a caller's signal does. The waiting itself is the scheduler's. Invariants:
 * an invocation that is served at once tells nobody of a wait; a listener never outlives its invocation.
 */
import { StrataError } from '../core/errors.ts';
import { MAX_WAIT_MS } from '../core/limits.ts';
import type { Start } from '../core/receipt.ts';
import { cancelled } from '../scheduler/refusals.ts';

/** Takes an invocation out of the line and refuses it with `cancelled`; without effect once it no longer waits. */
export type Cancel = () => void;

export interface WaitTerms {
  readonly requireStart: Start | undefined;
  readonly maxWaitMs: number | undefined;
  /** Called when the invocation has to wait, and only then. */
  readonly onWait: ((cancel: Cancel) => void) | undefined;
  /** When it came, for one that has waited before; else it comes now. */
  readonly arrivedMs: number | undefined;
}

/**
 * The waits of one invocation, first for a place and then for an instance, as the one wait that its caller sees: the
 * caller is told of the first, and `cancel` ends whichever there is.
 */
export class Waits {
  readonly #tell: (cancel: Cancel) => void;
  #cancel: Cancel | null = null;
  #isCancelled = false;

  constructor(tell: (cancel: Cancel) => void) {
    this.#tell = tell;
  }

  readonly onWait = (cancel: Cancel): void => {
    const isFirst = this.#cancel === null;
    this.#cancel = cancel;
    if (isFirst) {
      this.#tell(() => {
        this.#isCancelled = true;
        this.#cancel?.();
      });
    } else if (this.#isCancelled) cancel();
  };

  /** @throws StrataError `cancelled` for a caller that went away between two waits. */
  refuseCancelled(): void {
    if (this.#isCancelled) throw cancelled();
  }
}

/** @throws StrataError `invalid_request`. */
export const refuseMaxWait = (maxWaitMs: number | undefined): void => {
  if (maxWaitMs === undefined) return;
  const { min, max } = MAX_WAIT_MS;
  if (Number.isInteger(maxWaitMs) && maxWaitMs >= min && maxWaitMs <= max) return;
  throw new StrataError(
    'invalid_request',
    `maxWaitMs is ${String(maxWaitMs)}; a whole number from ${min} to ${max} is allowed.`,
  );
};

/** Runs something that may have to wait, and ends its wait when the signal says so. */
export const untilAborted = async <Result>(
  signal: AbortSignal,
  run: (onWait: (cancel: Cancel) => void) => Promise<Result>,
): Promise<Result> => {
  if (signal.aborted) throw cancelled();
  const listeners: Cancel[] = [];
  try {
    return await run((cancel) => {
      listeners.push(cancel);
      signal.addEventListener('abort', cancel, { once: true });
    });
  } finally {
    for (const cancel of listeners) signal.removeEventListener('abort', cancel);
  }
};
