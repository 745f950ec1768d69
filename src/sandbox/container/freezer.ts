/**
 * Freezes a container that is idle and thaws it before anything is sent to it.
 *
 * Owns the state and the grace. States: thawed → resting (the grace runs) → frozen → thawed. Invariant: `wake` returns
 * with the container running, or about to run before what is sent next is read.
 */
import type { Clock, Timer } from '../../ports/clock.ts';

export interface FreezerOptions {
  readonly clock: Clock;
  /** Idle for so long, then frozen; 0 never freezes. */
  readonly graceMs: number;
  /** By the kernel's file: at once; false when that does not work here. */
  readonly byFile: (frozen: boolean) => boolean;
  /** By the engine: later. */
  readonly byEngine: (frozen: boolean) => Promise<void>;
  readonly onFault: (detail: string) => void;
}

type State = 'thawed' | 'resting' | 'frozen';

export class Freezer {
  readonly #options: FreezerOptions;
  #state: State = 'thawed';
  #timer: Timer | null = null;
  #restedSinceMs = 0;
  #stopped = false;
  /** The engine's orders one after the other; null while the kernel's file works. */
  #orders: Promise<void> | null = null;

  constructor(options: FreezerOptions) {
    this.#options = options;
  }

  get frozen(): boolean {
    return this.#state === 'frozen';
  }

  /** Orders are carried out at once; those of the engine may still be under way. */
  get immediate(): boolean {
    return this.#orders === null;
  }

  /** Nothing is under way in the container: the grace begins. */
  rest(): void {
    const { clock, graceMs } = this.#options;
    if (graceMs === 0 || this.#stopped || this.#state !== 'thawed') return;
    this.#state = 'resting';
    // The timer of the rest before is used on: an invocation a millisecond makes no timer a millisecond.
    this.#timer ??= clock.setTimer(graceMs, () => this.#graceOver(clock.nowMs()));
    this.#restedSinceMs = clock.nowMs();
  }

  /** Something is about to be sent to the container. */
  wake(): void {
    if (this.#state === 'frozen') this.#order(false);
    this.#state = 'thawed';
  }

  /**
   * No more orders; a frozen container is thawed, because the kernel lets nobody die while frozen. Resolves when it is,
   * or cannot be any more.
   */
  async stop(): Promise<void> {
    this.wake();
    this.#timer?.cancel();
    this.#timer = null;
    this.#stopped = true;
    await this.#orders;
  }

  #graceOver(nowMs: number): void {
    this.#timer = null;
    if (this.#state !== 'resting' || this.#stopped) return;
    const { clock, graceMs } = this.#options;
    const leftMs = this.#restedSinceMs + graceMs - nowMs;
    if (leftMs > 0) {
      this.#timer = clock.setTimer(leftMs, () => this.#graceOver(clock.nowMs()));
      return;
    }
    this.#state = 'frozen';
    this.#order(true);
  }

  #order(frozen: boolean): void {
    if (this.#orders === null && this.#options.byFile(frozen)) return;
    const before = this.#orders ?? Promise.resolve();
    this.#orders = before
      .then(() => this.#options.byEngine(frozen))
      .catch((thrown: unknown) => {
        // One that ends at the same time cannot be thawed, and need not be.
        if (!this.#stopped) this.#options.onFault(String(thrown));
      });
  }
}
