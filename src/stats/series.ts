/**
 * What happened to one version of a function, in a window that slides: a ring of slots of equal length.
 *
 * Owns the slots. Few of them, and made when they are needed: together they are what a function costs in memory, 50 KB
 * when it is called all the time. Invariant: adding is a few increments, whatever the window has in it.
 */
import type { Finished } from '../billing/receipts.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';
import type { FunctionStats } from './api.ts';
import { Histogram } from './histogram.ts';

/** The window is this many slots, the one that is not over included. */
export const SLOTS = 12;

/** What is looked at of an invocation. */
export type Counted = Pick<
  Finished,
  'start' | 'phases' | 'failure' | 'initCpuNs' | 'handlerCpuNs' | 'maxMemoryBytes'
>;

const HANDLER = 5;
const NS_PER_MS = 1e6;
const BYTES_PER_MB = 1024 * 1024;

/** The figures of some time: of a slot, or of several added up. */
class Figures {
  #invocations = 0;
  #failed = 0;
  #cpuNs = 0;
  #maxCpuNs = 0;
  #maxMemoryBytes = 0;
  readonly #starts: Record<Start, number> = { none: 0, container: 0, runtime: 0, code: 0 };
  /** Codes of the catalogue alone, so there are few. */
  readonly #errors = new Map<ErrorCode, number>();
  readonly #handler = new Histogram();
  readonly #start = new Histogram();

  add({ start, phases, failure, initCpuNs, handlerCpuNs, maxMemoryBytes }: Counted): void {
    const cpuNs = initCpuNs + handlerCpuNs;
    this.#invocations += 1;
    this.#starts[start] += 1;
    if (failure !== null) {
      this.#failed += 1;
      this.#errors.set(failure.code, (this.#errors.get(failure.code) ?? 0) + 1);
    }
    this.#cpuNs += cpuNs;
    if (cpuNs > this.#maxCpuNs) this.#maxCpuNs = cpuNs;
    if (maxMemoryBytes !== null && maxMemoryBytes > this.#maxMemoryBytes)
      this.#maxMemoryBytes = maxMemoryBytes;
    let startMs = 0;
    for (let phase = 0; phase < HANDLER; phase += 1) startMs += phases[phase] ?? 0;
    this.#start.add(startMs);
    const handlerMs = phases[HANDLER] ?? 0;
    // What failed before the handler, or was a dry run, says nothing about it.
    if (handlerMs > 0) this.#handler.add(handlerMs);
  }

  addAll(other: Figures): void {
    this.#invocations += other.#invocations;
    this.#failed += other.#failed;
    this.#cpuNs += other.#cpuNs;
    this.#maxCpuNs = Math.max(this.#maxCpuNs, other.#maxCpuNs);
    this.#maxMemoryBytes = Math.max(this.#maxMemoryBytes, other.#maxMemoryBytes);
    for (const start of Object.keys(this.#starts) as Start[]) this.#starts[start] += other.#starts[start];
    for (const [code, count] of other.#errors) this.#errors.set(code, (this.#errors.get(code) ?? 0) + count);
    this.#handler.addAll(other.#handler);
    this.#start.addAll(other.#start);
  }

  clear(): void {
    this.#invocations = 0;
    this.#failed = 0;
    this.#cpuNs = 0;
    this.#maxCpuNs = 0;
    this.#maxMemoryBytes = 0;
    for (const start of Object.keys(this.#starts) as Start[]) this.#starts[start] = 0;
    this.#errors.clear();
    this.#handler.clear();
    this.#start.clear();
  }

  view(windowMs: number): FunctionStats {
    const count = this.#invocations;
    return {
      ...{ windowMs, invocations: count, failed: this.#failed },
      errors: Object.fromEntries(this.#errors),
      starts: { ...this.#starts },
      handlerMs: this.#handler.percentiles(),
      startMs: this.#start.percentiles(),
      cpuMs: count === 0 ? null : { mean: this.#cpuNs / count / NS_PER_MS, max: this.#maxCpuNs / NS_PER_MS },
      maxMemoryMb: this.#maxMemoryBytes === 0 ? null : this.#maxMemoryBytes / BYTES_PER_MB,
    };
  }
}

interface Slot {
  /** Which of all slots since the clock's origin it is for. */
  number: number;
  readonly figures: Figures;
}

export class Series {
  readonly #ring: (Slot | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  add(counted: Counted, number: number): void {
    const at = number % SLOTS;
    let slot = this.#ring[at];
    if (slot === undefined) {
      slot = { number, figures: new Figures() };
      this.#ring[at] = slot;
    } else if (slot.number !== number) {
      slot.figures.clear();
      slot.number = number;
    }
    slot.figures.add(counted);
  }

  /** Adds up what is in the window that ends with this slot. */
  static view(series: Iterable<Series>, number: number, windowMs: number): FunctionStats {
    const sum = new Figures();
    for (const one of series) for (const slot of one.#ring) if (isIn(slot, number)) sum.addAll(slot.figures);
    return sum.view(windowMs);
  }
}

const isIn = (slot: Slot | undefined, number: number): slot is Slot =>
  slot !== undefined && slot.number > number - SLOTS;
