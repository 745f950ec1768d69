/**
 * What layers cost a server while it is played: its own moving averages, read every other second.
 *
 * Owns the readings. A start takes longer while much else starts, so one mean for all of a replay would be wrong for
 * most of it.
 */
import type { Runtime } from '../../src/core/spec.ts';
import type { CostsView, PoolsView } from '../../src/pool/api.ts';
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

const INTERVAL_MS = 2_000;

/** One for each server: an answer has the costs of all runtimes. */
export class CostsWatch {
  readonly #strata: Strata;
  readonly #sinceMs = systemClock.nowMs();
  readonly #readings: { readonly atMs: number; readonly tiers: PoolsView['tiers'] }[] = [];
  readonly #timer: NodeJS.Timeout;

  /** Made when the server is ready. */
  constructor(strata: Strata) {
    this.#strata = strata;
    // What fails here fails again in `finish`, where somebody hears of it.
    this.#timer = setInterval(() => void this.#read().catch(() => undefined), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Reads once more, and no more after that. */
  async finish(): Promise<void> {
    this.close();
    await this.#read();
  }

  /** From when the server was ready until now. */
  of(runtime: Runtime): CostsOverTime {
    return new CostsOverTime(
      this.#readings.map(({ atMs, tiers }) => {
        const costs = tiers[runtime]?.costs;
        if (costs === undefined) throw new Error(`the server does not say what layers of ${runtime} cost`);
        return { atMs, costs: costsOf(runtime, costs) };
      }),
    );
  }

  async #read(): Promise<void> {
    const { tiers } = await this.#strata.pools();
    const atMs = systemClock.nowMs() - this.#sinceMs;
    this.#readings.push({ atMs, tiers });
  }
}

/** What each layer takes beyond the one above it. */
export const costsOf = (runtime: Runtime, { startMs, memoryMb }: CostsView): DefaultCosts => ({
  ...DEFAULT_COSTS[runtime],
  ...{ provisionMs: startMs.none - startMs.container, bootMs: startMs.container - startMs.runtime },
  ...{ loadMs: startMs.runtime, containerMb: memoryMb.container, runtimeMb: memoryMb.runtime },
});
