/**
 * What layers cost a server while it is played: its own moving averages, read every second.
 *
 * Owns the readings. A start takes longer while much else starts, so one mean for all of a replay would be wrong for
 * most of it.
 */
import type { Runtime } from '../../src/core/spec.ts';
import type { CostsView } from '../../src/pool/api.ts';
import { DEFAULT_COSTS, type DefaultCosts } from '../../src/pool/costs.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Strata } from './strata.ts';

interface Reading {
  /** Since the server was ready. */
  readonly atMs: number;
  readonly costs: DefaultCosts;
}

/** What was believed at each time. */
export class CostsOverTime {
  readonly #readings: readonly Reading[];

  /** @param readings in order of time, one at least. */
  constructor(readings: readonly Reading[]) {
    this.#readings = readings;
  }

  /** By the first reading after that time, in which what was measured then has come in; else by the last one. */
  at(nowMs: number): DefaultCosts {
    let low = 0;
    let high = this.#readings.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#readings[middle]?.atMs ?? 0) < nowMs) low = middle + 1;
      else high = middle;
    }
    const found = this.#readings[low];
    if (found === undefined) throw new Error('the server never said what layers cost');
    return found.costs;
  }
}

const INTERVAL_MS = 1_000;

export class CostsWatch {
  readonly #strata: Strata;
  readonly #runtime: Runtime;
  readonly #sinceMs = systemClock.nowMs();
  readonly #readings: Reading[] = [];
  readonly #timer: NodeJS.Timeout;

  /** Made when the server is ready. */
  constructor(strata: Strata, runtime: Runtime) {
    this.#strata = strata;
    this.#runtime = runtime;
    // What fails here fails again in `costs`, where somebody hears of it.
    this.#timer = setInterval(() => void this.#read().catch(() => undefined), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** From when the server was ready until now. */
  async costs(): Promise<CostsOverTime> {
    await this.#read();
    return new CostsOverTime(this.#readings);
  }

  async #read(): Promise<void> {
    const { costs } = await this.#strata.pool(this.#runtime);
    if (costs === undefined) throw new Error(`the server does not say what layers of ${this.#runtime} cost`);
    const atMs = systemClock.nowMs() - this.#sinceMs;
    this.#readings.push({ atMs, costs: costsOf(this.#runtime, costs) });
  }
}

/** What each layer takes beyond the one above it. */
export const costsOf = (runtime: Runtime, { startMs, memoryMb }: CostsView): DefaultCosts => ({
  ...DEFAULT_COSTS[runtime],
  ...{ provisionMs: startMs.none - startMs.container, bootMs: startMs.container - startMs.runtime },
  ...{ loadMs: startMs.runtime, containerMb: memoryMb.container, runtimeMb: memoryMb.runtime },
});
