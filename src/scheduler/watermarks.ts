/**
 * Watches the machine: above a watermark the pools stop to grow, and what is idle is ended until memory is low again.
 *
 * Owns the two states and their timer. Never reads a file: the machine is a port. What cannot be read stops nothing.
 */
import type { Budget } from '../pool/budget.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Machine } from '../ports/machine.ts';

export interface WatermarkSettings {
  readonly memoryHighPercent: number;
  readonly memoryLowPercent: number;
  readonly cpuHighPercent: number;
  readonly watermarkIntervalMs: number;
}

export interface WatermarksOptions {
  readonly clock: Clock;
  readonly machine: Machine;
  readonly settings: WatermarkSettings;
  readonly budget: Budget;
  readonly onChange: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

const PERCENT = 100;

export class Watermarks {
  readonly #options: WatermarksOptions;
  #timer: Timer | null = null;
  #memoryHigh = false;
  #closed = false;

  constructor(options: WatermarksOptions) {
    this.#options = options;
    // The first reading of the processors only says from when on the next one counts.
    options.machine.cpu();
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    const { clock, settings } = this.#options;
    this.#timer = clock.setTimer(settings.watermarkIntervalMs, () => {
      this.#look();
      if (!this.#closed) this.#schedule();
    });
  }

  #look(): void {
    const { machine, budget, settings, onChange } = this.#options;
    const cpu = machine.cpu();
    const cpuHigh = cpu !== null && cpu * PERCENT > settings.cpuHighPercent;
    const memory = machine.memory();
    const usedPercent = memory === null ? 0 : (1 - memory.availableMb / memory.totalMb) * PERCENT;
    const limit = this.#memoryHigh ? settings.memoryLowPercent : settings.memoryHighPercent;
    const memoryHigh = usedPercent >= limit;
    if (memoryHigh !== this.#memoryHigh) {
      const message = memoryHigh ? 'memory is above its watermark' : 'memory is below its watermark again';
      onChange(message, { usedPercent: Math.round(usedPercent), ...memory });
    }
    this.#memoryHigh = memoryHigh;
    budget.pressure = { memoryHigh, cpuHigh };
    if (memoryHigh && memory !== null) {
      const allowedMb = (memory.totalMb * settings.memoryLowPercent) / PERCENT;
      this.#free(memory.totalMb - memory.availableMb - allowedMb);
    }
  }

  /** What it frees is seen by the next reading; until then no more is ended. */
  #free(memoryMb: number): void {
    let leftMb = memoryMb;
    while (leftMb > 0) {
      const freedMb = this.#options.budget.evict(null);
      if (freedMb === null) return;
      leftMb -= freedMb;
    }
  }
}
