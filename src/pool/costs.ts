/**
 * What layers cost, as the running system finds it: each measurement moves an average, defaults serve until the first.
 *
 * Owns the averages of one runtime, and the shape of those of a function. Never measures itself. Invariant: every
 * figure is finite and above zero, whatever was measured.
 */
import type { Runtime } from '../core/spec.ts';
import type { LayerCosts } from './policy/api.ts';

/** How much one more measurement moves an average that has had enough of them; the first ones count equally. */
const WEIGHT = 0.1;
const LEAST = 0.001;

export class Average {
  #value: number;
  #count = 0;

  /** @param initial what is believed until something has been measured. */
  constructor(initial: number) {
    this.#value = initial;
  }

  get value(): number {
    return this.#value;
  }

  get measured(): boolean {
    return this.#count > 0;
  }

  add(measured: number): void {
    if (!Number.isFinite(measured)) return;
    this.#count += 1;
    const weight = Math.max(WEIGHT, 1 / this.#count);
    this.#value = Math.max(LEAST, this.#value + (measured - this.#value) * weight);
  }
}

/** What a layer takes beyond the one above it, milliseconds and megabytes. */
export interface DefaultCosts {
  readonly provisionMs: number;
  readonly bootMs: number;
  readonly loadMs: number;
  readonly containerMb: number;
  readonly runtimeMb: number;
}

/** Medians and means of the committed runs of `bench/`: see the tables of cold starts and densities. */
export const DEFAULT_COSTS: Readonly<Record<Runtime, DefaultCosts>> = {
  isolate: { provisionMs: 107.6, bootMs: 2.7, loadMs: 1.7, containerMb: 20.8, runtimeMb: 1.7 },
  nodejs24: { provisionMs: 79.8, bootMs: 50.3, loadMs: 1.5, containerMb: 3.1, runtimeMb: 16 },
  python3: { provisionMs: 154.5, bootMs: 4.1, loadMs: 1.4, containerMb: 3.1, runtimeMb: 19.7 },
  provided: { provisionMs: 80, bootMs: 0.1, loadMs: 5, containerMb: 3.2, runtimeMb: 0.1 },
};

/** A function that has not been measured is believed to take so much of its `memoryMb`. */
export const UNMEASURED_SHARE = 0.25;

/** The costs of one runtime. */
export class RuntimeCosts {
  readonly provisionMs: Average;
  readonly bootMs: Average;
  readonly loadMs: Average;
  readonly containerMb: number;
  readonly runtimeMb: number;
  readonly capacity: number;
  readonly #memoryDemand: () => number;

  /** @param memoryDemand what was needed lately, of the memory that there is: see `LayerCosts`. */
  constructor(defaults: DefaultCosts, capacity: number, memoryDemand: () => number) {
    this.#memoryDemand = memoryDemand;
    this.provisionMs = new Average(defaults.provisionMs);
    this.bootMs = new Average(defaults.bootMs);
    this.loadMs = new Average(defaults.loadMs);
    this.containerMb = defaults.containerMb;
    this.runtimeMb = defaults.runtimeMb;
    this.capacity = capacity;
  }

  /** For one function, or for any that has not been measured. */
  of(own: FunctionCosts | null): LayerCosts {
    const loadMs = own?.loadMs.measured ? own.loadMs.value : this.loadMs.value;
    const bootedMs = this.bootMs.value + loadMs;
    return {
      startMs: { runtime: loadMs, container: bootedMs, none: this.provisionMs.value + bootedMs },
      memoryMb: {
        container: this.containerMb,
        runtime: this.runtimeMb,
        code: own === null ? this.runtimeMb : this.codeMb(own),
      },
      capacity: this.capacity,
      memoryDemand: this.#memoryDemand(),
    };
  }

  /** What an instance of the function takes. */
  codeMb(own: FunctionCosts): number {
    return Math.max(this.runtimeMb, own.codeMb.value);
  }
}

/** What one function was measured to take. */
export class FunctionCosts {
  /** Loading and the initializer. */
  readonly loadMs = new Average(0);
  readonly codeMb: Average;
  /** How long an invocation has its lease. */
  readonly servedMs = new Average(0);

  constructor(memoryMb: number) {
    this.codeMb = new Average(memoryMb * UNMEASURED_SHARE);
  }
}
