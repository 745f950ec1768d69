/**
 * One call into an instance — a load or an invocation — with its wall deadline.
 *
 * Owns the timer and the promise that the call ends exactly once: by its answer, by its deadline and the grace after
 * it, or by the death of the carrier.
 */
import { type Failure, failure } from '../core/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Carrier } from './api.ts';
import type { RawOutcome } from './backend.ts';
import { toFailure } from './protocol/messages.ts';

export type CallKind = 'load' | 'invoke';

/** How a call ended. */
export interface CallEnd {
  readonly failure: Failure | null;
  /** What the sandbox answered; null when it did not. */
  readonly outcome: RawOutcome | null;
  /** CPU time, nanoseconds: as answered, else as far as the kernel's account of the process shows it. */
  readonly cpuNs: number;
  readonly elapsedMs: number;
  /** The instance cannot be used any more. */
  readonly breaks: boolean;
}

/** What a call needs of the instance it is in. */
export interface CallHome {
  readonly number: number;
  readonly memoryMb: number;
  readonly carrier: Pick<Carrier, 'meter'>;
  /** Asks the sandbox to stop the call. */
  terminate(call: Call): void;
  /** The sandbox did not stop it: forgets the call, kills the carrier, and returns what the call used. */
  giveUp(call: Call): number;
}

/** A host ends an instance by itself after these. */
const BREAKS: ReadonlySet<string> = new Set([
  ...['cpu_limit', 'memory_limit', 'sandbox_lost', 'sandbox_exited', 'terminated'],
]);

const CLOCK_SLACK_MS = 20;
const NS_PER_MS = 1e6;

export class Call {
  readonly home: CallHome;
  readonly kind: CallKind;
  /** Comes back with the answer; set when the call is opened. */
  nonce = 0;
  /** It waits for a timer inside the sandbox, so nothing of it is running. */
  parked = false;
  /** The process's CPU time at the start of this call, as the watchdog's first look at it tells; null before. */
  cpuBaselineNs: number | null = null;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #graceMs: number;
  readonly #finish: (end: CallEnd) => void;
  readonly #openedMs: number;
  #startedMs: number;
  #timer: Timer | null = null;
  #expired = false;
  #ended = false;

  constructor(
    home: CallHome,
    kind: CallKind,
    times: { readonly clock: Clock; readonly limitMs: number; readonly graceMs: number },
    finish: (end: CallEnd) => void,
  ) {
    this.home = home;
    this.kind = kind;
    this.#clock = times.clock;
    this.#limitMs = times.limitMs;
    this.#graceMs = times.graceMs;
    this.#finish = finish;
    this.#openedMs = times.clock.nowMs();
    this.#startedMs = this.#openedMs;
  }

  /** Starts the clock: for an invocation behind a load, when the load has ended. */
  arm(): void {
    if (this.#ended) return;
    this.#startedMs = this.#clock.nowMs();
    this.#timer = this.#clock.setTimer(this.#limitMs, () => {
      this.#expired = true;
      this.home.terminate(this);
      this.#timer = this.#clock.setTimer(this.#graceMs, () => {
        const cpuNs = this.home.giveUp(this);
        this.#end({
          failure: this.#timeout(),
          outcome: null,
          cpuNs,
          elapsedMs: this.elapsedMs(),
          breaks: true,
        });
      });
    });
  }

  elapsedMs(): number {
    return Math.round(this.#clock.nowMs() - this.#startedMs);
  }

  answer(outcome: RawOutcome): void {
    const code = outcome.tail?.failure?.code;
    this.#end({
      failure: outcome.failed ? this.#reported(outcome) : null,
      outcome,
      cpuNs:
        this.home.carrier.meter === 'isolate' ? Math.min(outcome.cpuNs, this.#mostCpuNs()) : outcome.cpuNs,
      elapsedMs: this.#elapsedOf(outcome),
      breaks: code !== undefined && BREAKS.has(code),
    });
  }

  /**
   * What the sandbox says is finer than what is seen from outside; but a container's function runs in the process that
   * says it, and is believed within the slack alone. What came before, such as sending the code, is in it then, too.
   */
  #elapsedOf({ firstMs, second }: RawOutcome): number {
    const passedMs = this.#clock.nowMs() - this.#startedMs;
    if (firstMs < 0) return passedMs;
    if (this.home.carrier.meter === 'isolate') return firstMs;
    const initMs = this.kind === 'load' ? Math.max(0, second) : 0;
    return passedMs - firstMs - initMs > CLOCK_SLACK_MS
      ? Math.max(0, passedMs - initMs)
      : Math.min(firstMs, passedMs);
  }

  /** @param cpuNs what it used; 0 when it is not to blame. */
  fail(failed: Failure, cpuNs: number): void {
    this.#end({ failure: failed, outcome: null, cpuNs, elapsedMs: this.elapsedMs(), breaks: true });
  }

  /** One isolate cannot have used more than the time since the call was made; the slack is for clocks that differ. */
  #mostCpuNs(): number {
    return Math.ceil((this.#clock.nowMs() - this.#openedMs + CLOCK_SLACK_MS) * NS_PER_MS);
  }

  #end(end: CallEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#finish(end);
  }

  #reported(outcome: RawOutcome): Failure {
    const told = outcome.tail?.failure ?? null;
    if (told === null) {
      return failure('protocol_error', 'The sandbox reported a failure without saying which.');
    }
    if (told.code !== 'terminated') return toFailure(told);
    // Stopped without having run out of time: the load in front of it was what had to be stopped.
    return this.#expired ? this.#timeout() : LOST;
  }

  #timeout(): Failure {
    const load = this.kind === 'load';
    const kind = load ? 'initTimeoutMs' : 'timeoutMs';
    const observed = this.elapsedMs();
    return failure(
      load ? 'init_timeout' : 'function_timeout',
      `${load ? 'Loading and initialising' : 'The handler'} did not finish within ${this.#limitMs} ms and was ` +
        `stopped after ${observed} ms. Make it faster or raise ${kind}.`,
      { limit: { kind, configured: this.#limitMs, observed } },
    );
  }
}

export const LOST: Failure = failure(
  'sandbox_lost',
  'The sandbox ended before the invocation could run in it. Retry.',
);
