/**
 * The right to use an instance for one invocation. It has one owner, and it always ends: `release` is idempotent.
 */
import type { Start } from '../core/receipt.ts';
import type { Instance } from '../sandbox/api.ts';
import type { Slot } from './slot.ts';

/** Whom a lease tells what becomes of it. */
interface LeaseOwner {
  loaded(slot: Slot, loadMs: number): void;
  release(slot: Slot, clean: boolean, memoryMb: number | null): void;
  releaseAhead(slot: Slot, worked: boolean): void;
}

/** What an invocation starts from, and what that took. */
export interface LeaseTiming {
  readonly start: Start;
  readonly provisionMs: number;
  readonly bootMs: number;
}

export class Lease implements LeaseTiming {
  readonly start: Start;
  readonly provisionMs: number;
  readonly bootMs: number;
  /** The owner has to load the code before, or together with, its invocation. */
  readonly loads: boolean;
  readonly instance: Instance;
  /** CPU time of code that was loaded ahead and that no invocation has had on its receipt yet, nanoseconds. */
  readonly aheadCpuNs: number;
  readonly #owner: LeaseOwner;
  readonly #slot: Slot;
  #released = false;

  constructor(owner: LeaseOwner, slot: Slot, instance: Instance, timing: LeaseTiming) {
    this.#owner = owner;
    this.#slot = slot;
    this.instance = instance;
    this.start = timing.start;
    this.provisionMs = timing.provisionMs;
    this.bootMs = timing.bootMs;
    this.loads = timing.start !== 'code';
    this.aheadCpuNs = slot.aheadCpuNs;
    slot.aheadCpuNs = 0;
  }

  /**
   * The code is loaded: others may use the instance beside this lease, as far as the concurrency goes.
   * @param loadMs what loading and the initializer took.
   */
  loaded(loadMs: number): void {
    this.#owner.loaded(this.#slot, loadMs);
  }

  /**
   * @param clean false when the instance must not be used again.
   * @param memoryMb the most that the instance was seen to take; null when nobody measured.
   */
  release(clean: boolean, memoryMb: number | null = null): void {
    if (this.#released) return;
    this.#released = true;
    this.#owner.release(this.#slot, clean, memoryMb);
  }

  /** Ends the lease of who has only loaded the code, for those who will come. */
  releaseAhead(worked: boolean, cpuNs: number): void {
    if (this.#released) return;
    this.#released = true;
    this.#slot.aheadCpuNs = cpuNs;
    this.#owner.releaseAhead(this.#slot, worked);
  }
}
