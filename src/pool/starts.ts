/**
 * Starts sandboxes and boots instances: how many at once, and how long to hold off after failures.
 *
 * Owns the parallelism and the backoff. Never keeps what it started. Invariant: every failure is a StrataError, is
 * counted once, and doubles the time before the pool refills by itself again; a start that works resets it.
 */
import PQueue from 'p-queue';
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Carrier, Instance, SandboxTier } from '../sandbox/api.ts';

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 30_000;

export class Starts {
  readonly #tier: SandboxTier;
  readonly #clock: Clock;
  readonly #queue: PQueue;
  readonly #onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Carriers in which a boot has failed. */
  readonly #failed = new WeakSet<Carrier>();
  #failures = 0;
  #retryAtMs = 0;

  constructor(
    tier: SandboxTier,
    clock: Clock,
    parallelism: number,
    onFault: (message: string, details: Readonly<Record<string, unknown>>) => void,
  ) {
    this.#tier = tier;
    this.#clock = clock;
    this.#queue = new PQueue({ concurrency: parallelism });
    this.#onFault = onFault;
  }

  /** Starts have failed lately: only who is waited for may try. */
  get holdsOff(): boolean {
    return this.#clock.nowMs() < this.#retryAtMs;
  }

  /**
   * @param wanted somebody waits for it: it goes before refills.
   * @param took told how long the start itself took, without the wait for its turn.
   * @throws StrataError `start_failed` and what else the tier has.
   */
  async provision(wanted: boolean, took: (tookMs: number) => void): Promise<Carrier> {
    const start = async (): Promise<Carrier> => {
      const startedMs = this.#clock.nowMs();
      const carrier = await this.#tier.provision();
      took(this.#clock.nowMs() - startedMs);
      return carrier;
    };
    try {
      const carrier = await this.#queue.add(start, { priority: wanted ? 1 : 0 });
      this.#failures = 0;
      this.#retryAtMs = 0;
      return carrier;
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  /** @throws StrataError `start_failed`. */
  async boot(carrier: Carrier | null, memoryMb: number): Promise<Instance> {
    try {
      if (carrier === null) throw new StrataError('start_failed', 'The sandbox is not up.');
      return await carrier.boot(memoryMb);
    } catch (thrown) {
      // All that boots in a sandbox fails when it dies: that is one failure.
      const isFirst = carrier === null || !this.#failed.has(carrier);
      if (carrier !== null) this.#failed.add(carrier);
      throw isFirst ? this.#fail(thrown) : asStartFailed(thrown);
    }
  }

  close(): void {
    this.#queue.clear();
  }

  #fail(thrown: unknown): StrataError {
    const error = asStartFailed(thrown);
    this.#failures += 1;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#failures - 1));
    this.#retryAtMs = this.#clock.nowMs() + waitMs;
    this.#onFault('a start failed', { failures: this.#failures, detail: error.message });
    return error;
  }
}

const asStartFailed = (thrown: unknown): StrataError =>
  thrown instanceof StrataError
    ? thrown
    : new StrataError('start_failed', `A sandbox could not be started: ${String(thrown)}`, { cause: thrown });
