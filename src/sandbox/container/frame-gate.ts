/**
 * Holds back what an agent says while the engine is asked for its figures.
 *
 * Owns the order: an answer never overtakes the one before it. With the kernel's files, whose figures are always of now,
 * nothing ever waits.
 */
import { type Frame, FrameError } from '../protocol/frames.ts';
import type { ContainerMeter } from './meter.ts';

export interface FrameGateOptions {
  readonly meter: Pick<ContainerMeter, 'refresh'>;
  /** @throws FrameError for what no agent says. */
  readonly take: (frame: Frame) => void;
  readonly violated: (reason: string) => void;
}

export class FrameGate {
  readonly #options: FrameGateOptions;
  readonly #waiting: Frame[] = [];
  #refreshing = false;
  #closed = false;

  constructor(options: FrameGateOptions) {
    this.#options = options;
  }

  /** @throws FrameError for what no agent says. */
  accept(frame: Frame): void {
    // What was on its way when the end was decided must not decide it otherwise.
    if (this.#closed) return;
    if (this.#refreshing) this.#waiting.push(frame);
    else this.#options.take(frame);
  }

  /** Runs it when the meter's figures are of now; never after the end. */
  refreshed(then: () => void): void {
    const refreshing = this.#options.meter.refresh();
    if (refreshing === null) {
      then();
      return;
    }
    this.#refreshing = true;
    void refreshing.then(() => {
      this.#refreshing = false;
      if (this.#closed) return;
      then();
      this.#takeWaiting();
    });
  }

  close(): void {
    this.#closed = true;
  }

  #takeWaiting(): void {
    try {
      while (!this.#refreshing) {
        const frame = this.#waiting.shift();
        if (frame === undefined) return;
        this.#options.take(frame);
      }
    } catch (thrown) {
      this.#waiting.length = 0;
      this.#options.violated(thrown instanceof FrameError ? thrown.message : String(thrown));
    }
  }
}
