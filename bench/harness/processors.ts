/**
 * How much of the machine's processors is in use while something runs, whoever uses it.
 *
 * Owns the samples, one a second. The reading is that of the server's watermarks.
 */
import { systemMachine } from '../../src/ports/machine.ts';

export interface ProcessorUse {
  readonly meanPercent: number | null;
  /** Of the busiest second. */
  readonly maxPercent: number | null;
}

const SAMPLE_MS = 1_000;

export class Processors {
  readonly #machine = systemMachine();
  readonly #percents: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor() {
    // The first reading only says from when on the next one counts.
    this.#machine.cpu();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Since the beginning. */
  use(): ProcessorUse {
    const percents = this.#percents;
    if (percents.length === 0) return { meanPercent: null, maxPercent: null };
    const sum = percents.reduce((total, percent) => total + percent, 0);
    return { meanPercent: sum / percents.length, maxPercent: Math.max(...percents) };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const busy = this.#machine.cpu();
    if (busy !== null) this.#percents.push(100 * busy);
  }
}
