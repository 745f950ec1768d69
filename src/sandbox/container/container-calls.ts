/**
 * The open calls of one container: what each used, and which of them went over its CPU budget.
 *
 * Owns the account and the watch over budgets. Never ends anything itself: it says who is over. Invariant: a call is
 * opened and closed once, and is on the account in between.
 */
import type { Clock, Timer } from '../../ports/clock.ts';
import type { ContainerMeter } from './meter.ts';
import { CpuAccount } from './metering.ts';

export interface OpenCall {
  readonly nonce: number;
  readonly kind: 'load' | 'invoke';
  /** Nanoseconds of CPU time that it may use; null when only its wall time is bounded. */
  readonly budgetNs: number | null;
  /** An answer has come and is being accounted for. */
  answered: boolean;
  /** The server asked for its end. */
  terminated: boolean;
  /** What it had used when it was found over its budget; null while it is within. */
  overNs: number | null;
}

const NS_PER_MS = 1e6;
const WATCH_MIN_MS = 5;
const WATCH_MAX_MS = 1_000;

export class ContainerCalls {
  readonly #meter: ContainerMeter;
  readonly #clock: Clock;
  /** Processors that the container's processes can use at once: how fast a budget can go. */
  #cpus = 1;
  readonly #over: (call: OpenCall) => void;
  readonly #account = new CpuAccount();
  readonly #calls = new Map<number, OpenCall>();
  #watch: Timer | null = null;
  /** When the watch looks next, monotonic milliseconds. */
  #watchMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(meter: ContainerMeter, clock: Clock, over: (call: OpenCall) => void) {
    this.#meter = meter;
    this.#clock = clock;
    this.#over = over;
  }

  /** An instance begins: its account starts from nothing. */
  begin(cpus: number): void {
    this.#cpus = cpus;
    this.#calls.clear();
    this.#account.begin(this.#meter.cpuNs());
    this.#meter.resetPeak();
  }

  get size(): number {
    return this.#calls.size;
  }

  get(nonce: number): OpenCall | undefined {
    return this.#calls.get(nonce);
  }

  /** Those without an answer. */
  unanswered(): readonly OpenCall[] {
    return [...this.#calls.values()].filter((call) => !call.answered);
  }

  open(nonce: number, kind: OpenCall['kind'], budgetNs: number | null): OpenCall {
    const call = { nonce, kind, budgetNs, answered: false, terminated: false, overNs: null };
    if (kind === 'invoke' && this.#calls.size === 0) this.#meter.resetPeak();
    this.#calls.set(nonce, call);
    this.#account.open(nonce, this.#meter.cpuNs());
    // A load has a larger budget than the call that is sent behind it.
    if (budgetNs !== null && this.#clock.nowMs() + this.#soonestMs(budgetNs) < this.#watchMs)
      this.#watchSoon();
    return call;
  }

  /** What the call is billed, nanoseconds. */
  close(nonce: number): number {
    this.#calls.delete(nonce);
    return this.#account.close(nonce, this.#meter.cpuNs());
  }

  /** What an open call has used so far; null when it is not open. */
  usedNs(nonce: number): number | null {
    this.#account.advance(this.#meter.cpuNs());
    const entry = this.#account.entry(nonce);
    return entry === null ? null : entry.usedNs + entry.carriedNs;
  }

  /** The container ends: the last chance to ask what was used in it. */
  stop(): void {
    this.#account.advance(this.#meter.cpuNs());
    this.#stopped = true;
    this.#watch?.cancel();
  }

  /** How long a budget lasts at least. */
  #soonestMs(budgetNs: number): number {
    return Math.min(WATCH_MAX_MS, Math.max(WATCH_MIN_MS, budgetNs / NS_PER_MS / this.#cpus));
  }

  /** The next look is when the one with the least left could be over at the earliest. */
  #watchSoon(): void {
    this.#watch?.cancel();
    this.#watchMs = Number.POSITIVE_INFINITY;
    let leastNs = Number.POSITIVE_INFINITY;
    for (const { nonce, budgetNs } of this.#calls.values()) {
      const used = this.#account.entry(nonce)?.usedNs ?? 0;
      if (budgetNs !== null) leastNs = Math.min(leastNs, budgetNs - used);
    }
    if (leastNs === Number.POSITIVE_INFINITY || this.#stopped) return;
    const delayMs = this.#soonestMs(leastNs);
    this.#watchMs = this.#clock.nowMs() + delayMs;
    this.#watch = this.#clock.setTimer(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    await this.#meter.refresh();
    if (this.#stopped) return;
    this.#account.advance(this.#meter.cpuNs());
    for (const call of this.#calls.values()) {
      const used = this.#account.entry(call.nonce)?.usedNs ?? 0;
      if (call.budgetNs === null || call.answered || call.overNs !== null || used <= call.budgetNs) continue;
      call.overNs = used;
      this.#over(call);
    }
    this.#watchSoon();
  }
}
