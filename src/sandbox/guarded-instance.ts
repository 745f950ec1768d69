/**
 * One instance behind the guard: its calls, their deadlines, and its end.
 *
 * Owns the state of the instance as the server sees it. Invariants: a call settles exactly once, by its answer, by
 * its deadline, or by the death of the carrier; an instance that ends without telling so within the grace takes its
 * carrier with it.
 */
import { type Failure, failure, StrataError } from '../core/errors.ts';
import type { Timer } from '../ports/clock.ts';
import type { Carrier, Instance, InvokeOutcome, InvokeRequest, LoadOutcome, LoadRequest } from './api.ts';
import type { RawOutcome } from './backend.ts';
import type { GuardedCarrier } from './guard.ts';
import { toFailure, toLogLines } from './protocol/messages.ts';

/** A call in flight. `answer` and `fail` settle it; the carrier has forgotten it by then. */
export interface Call {
  readonly nonce: number;
  readonly kind: 'load' | 'invoke';
  readonly instance: GuardedInstance;
  /** It waits for a timer inside the sandbox, so nothing of it is running. */
  parked: boolean;
  /** The process's CPU time at the start of this call, as the watchdog's first look at it tells; null before. */
  cpuBaselineNs: number | null;
  answer(outcome: RawOutcome): void;
  /** @param cpuNs what it used, as far as the kernel's account of the process shows it; 0 when it is not to blame. */
  fail(failure: Failure, cpuNs: number): void;
  elapsedMs(): number;
}

/** What an instance that runs nobody's code yet may take of the carrier's memory. */
const RUNTIME_MB = 4;
const NO_MEASURE = { cpuNs: 0, logs: [], logTruncated: false } as const;
/** A host ends an instance by itself after these. */
const ENDS_INSTANCE: ReadonlySet<string> = new Set([
  'cpu_limit',
  'memory_limit',
  'sandbox_lost',
  'terminated',
]);

type State = 'booting' | 'open' | 'ending' | 'gone';

export class GuardedInstance implements Instance {
  readonly carrier: Carrier;
  readonly number: number;
  readonly memoryMb: number;
  readonly ready: Promise<void>;
  readonly #carrier: GuardedCarrier;
  #resolveReady: () => void = () => undefined;
  #rejectReady: (reason: StrataError) => void = () => undefined;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => undefined;
  #state: State = 'booting';
  #loaded = false;
  #loadPending = false;
  #openCalls = 0;
  /** A call in it broke a limit. */
  #broke = false;
  #armWaiting: (() => void)[] = [];
  #graceTimer: Timer | null = null;

  constructor(carrier: GuardedCarrier, number: number, memoryMb: number) {
    this.carrier = carrier;
    this.#carrier = carrier;
    this.number = number;
    this.memoryMb = memoryMb;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.ready.catch(() => undefined);
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
  }

  get ended(): boolean {
    return this.#state === 'ending' || this.#state === 'gone' || this.#carrier.ended;
  }

  /** Megabytes that the watchdog grants the carrier for this instance. */
  get allowanceMb(): number {
    return this.#loaded || this.#loadPending ? this.memoryMb : RUNTIME_MB;
  }

  booted(): void {
    if (this.#state !== 'booting') return;
    this.#state = 'open';
    this.#resolveReady();
  }

  bootFailed(reason: StrataError): void {
    if (this.#state !== 'booting') return;
    this.gone();
    this.#rejectReady(reason);
  }

  load(request: LoadRequest): Promise<LoadOutcome> {
    const raw = this.#carrier.raw;
    if (this.ended || raw === null) return Promise.resolve(loadFailed(LOST));
    this.#loadPending = true;
    return new Promise((resolve) => {
      const settle = (outcome: LoadOutcome): void => {
        deadline.cancel();
        this.#loadPending = false;
        this.#loaded = outcome.failure === null;
        resolve(outcome);
        for (const arm of this.#armWaiting.splice(0)) arm();
        this.#closed(outcome.failure !== null);
      };
      const timedOut = (observed: number): Failure =>
        timeout('init_timeout', request.initTimeoutMs, observed);
      const deadline = this.#deadline(
        request.initTimeoutMs,
        () => call,
        (cpuNs, observed) => settle({ ...loadFailed(timedOut(observed)), cpuNs, loadMs: observed }),
      );
      const call = this.#open('load', {
        answer: (outcome) => {
          const failed = reported(outcome, () => timedOut(deadline.elapsedMs()));
          settle({ ...measured(outcome), loadMs: outcome.firstMs, initMs: outcome.second, failure: failed });
        },
        fail: (failed, cpuNs) => settle({ ...loadFailed(failed), cpuNs, loadMs: deadline.elapsedMs() }),
        elapsedMs: () => deadline.elapsedMs(),
      });
      raw.load(this.number, call.nonce, request);
      deadline.arm();
    });
  }

  invoke(request: InvokeRequest): Promise<InvokeOutcome> {
    const raw = this.#carrier.raw;
    if (this.ended || raw === null) return Promise.resolve(invokeFailed(LOST));
    return new Promise((resolve) => {
      const settle = (outcome: InvokeOutcome, ends: boolean): void => {
        deadline.cancel();
        resolve(outcome);
        this.#closed(ends);
      };
      const timedOut = (observed: number): Failure =>
        timeout('function_timeout', request.timeoutMs, observed);
      const deadline = this.#deadline(
        request.timeoutMs,
        () => call,
        (cpuNs, observed) =>
          settle({ ...invokeFailed(timedOut(observed)), cpuNs, handlerMs: observed }, true),
      );
      const call = this.#open('invoke', {
        answer: (outcome) => {
          const code = outcome.tail?.failure?.code;
          const failed = reported(outcome, () =>
            deadline.expired() ? timedOut(deadline.elapsedMs()) : LOST,
          );
          const basis = {
            ...measured(outcome),
            handlerMs: outcome.firstMs,
            maxMemoryBytes: outcome.second < 0 ? null : outcome.second,
          };
          settle(
            failed === null
              ? { ...basis, failure: null, resultJson: outcome.payload }
              : { ...basis, failure: failed, resultJson: null },
            code !== undefined && ENDS_INSTANCE.has(code),
          );
        },
        fail: (failed, cpuNs) =>
          settle({ ...invokeFailed(failed), cpuNs, handlerMs: deadline.elapsedMs() }, true),
        elapsedMs: () => deadline.elapsedMs(),
      });
      raw.invoke(this.number, call.nonce, request);
      if (this.#loadPending) this.#armWaiting.push(() => deadline.arm());
      else deadline.arm();
    });
  }

  dispose(): Promise<void> {
    this.#end();
    return this.#gone;
  }

  /** The backend says that nothing of the instance runs any more. */
  gone(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#graceTimer?.cancel();
    this.#carrier.remove(this);
    this.#resolveGone();
  }

  carrierDied(): void {
    if (this.#state === 'booting') this.bootFailed(lostWhileBooting());
    this.gone();
  }

  #open(kind: Call['kind'], settle: Pick<Call, 'answer' | 'fail' | 'elapsedMs'>): Call {
    this.#openCalls += 1;
    return this.#carrier.open({ kind, instance: this, parked: false, cpuBaselineNs: null, ...settle });
  }

  /** After a call: an instance that must end does so once nobody else is in it. */
  #closed(ends: boolean): void {
    this.#openCalls -= 1;
    if (ends) this.#broke = true;
    if (ends && this.#state === 'open') this.#state = 'ending';
    if (this.#state === 'ending' && this.#openCalls === 0) this.#end();
  }

  #end(): void {
    if (this.#state === 'gone') return;
    this.#state = 'ending';
    if (this.#graceTimer !== null) return;
    this.#carrier.raw?.dispose(this.number);
    // What broke a limit is suspected to run on; what was idle may only have to wait for a busy host.
    const { clock, killGraceMs, startTimeoutMs } = this.#carrier.options;
    const graceMs = this.#broke ? killGraceMs : startTimeoutMs;
    this.#graceTimer = clock.setTimer(graceMs, () => this.#carrier.condemn(this));
  }

  /**
   * The wall deadline of one call: at the deadline the sandbox is asked to stop it; after the grace it is killed,
   * and `overdue` is told the CPU time as far as the kernel's account of the process shows it.
   */
  #deadline(
    limitMs: number,
    call: () => Call,
    overdue: (cpuNs: number, elapsedMs: number) => void,
  ): { arm(): void; cancel(): void; expired(): boolean; elapsedMs(): number } {
    const { clock, killGraceMs } = this.#carrier.options;
    let timer: Timer | null = null;
    let startedMs = clock.nowMs();
    let expired = false;
    let done = false;
    const elapsedMs = (): number => Math.round(clock.nowMs() - startedMs);
    const kill = (): void => {
      const open = call();
      const cpuNs = this.#carrier.usedBy(open);
      this.#carrier.forget(open);
      this.#carrier.condemn(this);
      overdue(cpuNs, elapsedMs());
    };
    return {
      arm: () => {
        if (done) return;
        startedMs = clock.nowMs();
        timer = clock.setTimer(limitMs, () => {
          expired = true;
          this.#carrier.raw?.terminate(this.number, call().nonce);
          timer = clock.setTimer(killGraceMs, kill);
        });
      },
      cancel: () => {
        done = true;
        timer?.cancel();
      },
      expired: () => expired,
      elapsedMs,
    };
  }
}

const LOST = failure('sandbox_lost', 'The sandbox ended before the invocation could run in it. Retry.');

const lostWhileBooting = (): StrataError =>
  new StrataError('start_failed', 'The sandbox ended while it booted.');

const loadFailed = (failed: Failure): LoadOutcome => ({
  ...NO_MEASURE,
  loadMs: 0,
  initMs: 0,
  failure: failed,
});

const invokeFailed = (failed: Failure): InvokeOutcome => ({
  ...NO_MEASURE,
  ...{ handlerMs: 0, maxMemoryBytes: null, failure: failed, resultJson: null },
});

const measured = (outcome: RawOutcome): Pick<LoadOutcome, 'cpuNs' | 'logs' | 'logTruncated'> => ({
  cpuNs: outcome.cpuNs,
  logs: outcome.tail === null ? [] : toLogLines(outcome.tail.logs),
  logTruncated: outcome.tail?.logTruncated ?? false,
});

const reported = (outcome: RawOutcome, stopped: () => Failure): Failure | null => {
  if (!outcome.failed) return null;
  const told = outcome.tail?.failure ?? null;
  if (told === null) return failure('protocol_error', 'The sandbox reported a failure without saying which.');
  return told.code === 'terminated' ? stopped() : toFailure(told);
};

const timeout = (code: 'function_timeout' | 'init_timeout', limitMs: number, observed: number): Failure => {
  const kind = code === 'init_timeout' ? 'initTimeoutMs' : 'timeoutMs';
  const what = code === 'init_timeout' ? 'Loading and initialising' : 'The handler';
  return failure(
    code,
    `${what} did not finish within ${limitMs} ms and was stopped after ${observed} ms. Make it faster or raise ${kind}.`,
    { limit: { kind, configured: limitMs, observed } },
  );
};
