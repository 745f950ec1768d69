/**
 * One instance behind the guard: its calls, their deadlines, and its end.
 *
 * Owns the state of the instance as the server sees it. Invariants: a call settles exactly once, by its answer, by
 * its deadline, or by the death of the carrier; an instance that ends without telling so within the grace takes its
 * carrier with it.
 */
import { StrataError } from '../core/errors.ts';
import type { LogLine } from '../core/receipt.ts';
import type { Timer } from '../ports/clock.ts';
import type { Carrier, Instance, InvokeOutcome, InvokeRequest, LoadOutcome, LoadRequest } from './api.ts';
import { Call, type CallEnd, type CallHome, type CallKind, LOST } from './call.ts';
import type { GuardedCarrier } from './guard.ts';
import { toLogLines } from './protocol/messages.ts';

/** What an instance that runs nobody's code yet may take of the carrier's memory. */
const RUNTIME_MB = 4;
type State = 'booting' | 'open' | 'ending' | 'gone';

export class GuardedInstance implements Instance, CallHome {
  readonly carrier: Carrier;
  readonly number: number;
  memoryMb: number;
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  readonly #carrier: GuardedCarrier;
  #resolveReady: () => void = () => undefined;
  #rejectReady: (reason: StrataError) => void = () => undefined;
  #resolveGone: () => void = () => undefined;
  #state: State = 'booting';
  #loaded = false;
  #loadPending = false;
  #openCalls = 0;
  /** A call in it broke a limit. */
  #broke = false;
  /** Invocations that were sent behind the load; their time begins when it ends. */
  readonly #behindLoad: Call[] = [];
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
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
  }

  get ended(): boolean {
    return this.#state === 'ending' || this.#state === 'gone' || this.#carrier.ended;
  }

  /** Its boot or its end is awaited. */
  get awaited(): boolean {
    return this.#state === 'booting' || this.#graceTimer !== null;
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
    this.cleared();
    this.#rejectReady(reason);
  }

  load(request: LoadRequest): Promise<LoadOutcome> {
    const raw = this.#carrier.raw;
    if (this.ended || raw === null) return Promise.resolve(loadOutcome(NOT_RUN));
    this.#loadPending = true;
    // A tier that can resize what it has booted gives it the size of the function now.
    this.memoryMb = request.memoryMb;
    return new Promise((resolve) => {
      const call = this.#open('load', request.initTimeoutMs, (end) => {
        this.#loadPending = false;
        this.#loaded = end.failure === null;
        resolve(loadOutcome(end));
        for (const waiting of this.#behindLoad.splice(0)) {
          waiting.parked = false;
          waiting.arm();
        }
        this.#closed(end.breaks || end.failure !== null);
      });
      raw.load(this.number, call.nonce, request);
      call.arm();
    });
  }

  invoke(request: InvokeRequest): Promise<InvokeOutcome> {
    const raw = this.#carrier.raw;
    if (this.ended || raw === null) return Promise.resolve(invokeOutcome(NOT_RUN));
    return new Promise((resolve) => {
      const call = this.#open('invoke', request.timeoutMs, (end) => {
        resolve(invokeOutcome(end));
        this.#closed(end.breaks);
      });
      raw.invoke(this.number, call.nonce, request);
      if (this.#loadPending) {
        call.parked = true;
        this.#behindLoad.push(call);
      } else call.arm();
    });
  }

  dispose(): Promise<void> {
    this.#end();
    return this.gone;
  }

  /** The backend says that nothing of the instance runs any more. */
  cleared(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#graceTimer?.cancel();
    this.#carrier.remove(this);
    this.#resolveGone();
  }

  /** Its process has ended on its own: what is left of it is cleared away. */
  processEnded(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    if (this.#openCalls === 0) this.#end();
  }

  carrierDied(): void {
    if (this.#state === 'booting') this.bootFailed(lostWhileBooting());
    this.cleared();
  }

  terminate(call: Call): void {
    this.#carrier.raw?.terminate(this.number, call.nonce);
  }

  giveUp(call: Call): number {
    const cpuNs = this.#carrier.usedBy(call);
    this.#carrier.forget(call);
    this.#carrier.condemn(this);
    return cpuNs;
  }

  #open(kind: CallKind, limitMs: number, finish: (end: CallEnd) => void): Call {
    const { clock, killGraceMs } = this.#carrier.options;
    const call = new Call(this, kind, { clock, limitMs, graceMs: killGraceMs }, finish);
    this.#openCalls += 1;
    this.#carrier.open(call);
    return call;
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
    this.#carrier.await();
    // What broke a limit is suspected to run on; what was idle may only have to wait for a busy host.
    const { clock, killGraceMs, startTimeoutMs } = this.#carrier.options;
    const graceMs = this.#broke ? killGraceMs : startTimeoutMs;
    this.#graceTimer = clock.setTimer(graceMs, () => this.#carrier.condemn(this));
  }
}

const lostWhileBooting = (): StrataError =>
  new StrataError('start_failed', 'The sandbox ended while it booted.');

/** How a call ends that never reached the sandbox. */
const NOT_RUN: CallEnd = { failure: LOST, outcome: null, cpuNs: 0, elapsedMs: 0, breaks: true };
const NO_LOGS: readonly LogLine[] = [];

const loadOutcome = (end: CallEnd): LoadOutcome => ({
  cpuNs: end.cpuNs,
  logs: logsOf(end),
  logTruncated: end.outcome?.tail?.logTruncated ?? false,
  loadMs: end.elapsedMs,
  initMs: end.outcome === null ? 0 : Math.max(0, end.outcome.second),
  failure: end.failure,
});

const invokeOutcome = (end: CallEnd): InvokeOutcome => {
  const { outcome, failure } = end;
  const basis = {
    cpuNs: end.cpuNs,
    logs: logsOf(end),
    logTruncated: outcome?.tail?.logTruncated ?? false,
    handlerMs: end.elapsedMs,
    maxMemoryBytes: outcome === null || outcome.second < 0 ? null : outcome.second,
    failure,
    resultJson: failure === null ? (outcome?.payload ?? null) : null,
  };
  return basis as InvokeOutcome;
};

const logsOf = ({ outcome }: CallEnd): readonly LogLine[] =>
  outcome === null || outcome.tail === null ? NO_LOGS : toLogLines(outcome.tail.logs);
