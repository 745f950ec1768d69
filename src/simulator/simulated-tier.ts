/**
 * Sandboxes that take time and do nothing: what the simulator puts below the pool in place of processes.
 *
 * Owns no memory and no process; what things take is the pool's own account. The contract is that of `sandbox/api.ts`,
 * with a load and an invocation missing: who drives the simulation knows how long they take.
 */
import { StrataError } from '../core/errors.ts';
import type { Tier } from '../core/spec.ts';
import type { DefaultCosts } from '../pool/costs.ts';
import type { VirtualClock } from '../ports/virtual-clock.ts';
import type {
  Carrier,
  CarrierExit,
  Instance,
  InvokeOutcome,
  KillCause,
  LoadOutcome,
  SandboxTier,
} from '../sandbox/api.ts';

export const simulatedTier = (
  tier: Tier,
  clock: VirtualClock,
  costsNow: () => DefaultCosts,
  capacity: number,
): SandboxTier => ({
  tier,
  confinement: { kind: 'none', summary: 'simulated: nothing runs', gaps: [] },
  provision: () =>
    after(clock, costsNow().provisionMs, () => new SimulatedCarrier(clock, costsNow, capacity)),
  close: async () => undefined,
});

/** A promise that is kept at a time of the clock. */
const after = <Result>(clock: VirtualClock, delayMs: number, make: () => Result): Promise<Result> => {
  const { promise, resolve } = Promise.withResolvers<Result>();
  clock.setTimer(delayMs, () => {
    resolve(make());
    clock.unsettled();
  });
  return promise;
};

class SimulatedCarrier implements Carrier {
  readonly id = 'simulated';
  readonly meter = 'isolate';
  readonly capacity: number;
  readonly exited: Promise<CarrierExit>;
  readonly clock: VirtualClock;
  ended = false;
  readonly #costsNow: () => DefaultCosts;
  readonly #exit: (exit: CarrierExit) => void;

  constructor(clock: VirtualClock, costsNow: () => DefaultCosts, capacity: number) {
    this.clock = clock;
    this.capacity = capacity;
    this.#costsNow = costsNow;
    const { promise, resolve } = Promise.withResolvers<CarrierExit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  boot(): Promise<Instance> {
    return after(this.clock, this.#costsNow().bootMs, () => new SimulatedInstance(this));
  }

  residentBytes(): null {
    return null;
  }

  claimedBy(): void {
    // Time passes here whoever has it.
  }

  kill(cause: KillCause): void {
    if (this.ended) return;
    this.ended = true;
    this.#exit({ cause, exitCode: null, signal: 'SIGKILL', suspects: [], proven: false });
    this.clock.unsettled();
  }
}

class SimulatedInstance implements Instance {
  readonly carrier: SimulatedCarrier;
  readonly gone: Promise<void>;
  readonly #go: () => void;
  #disposed = false;

  constructor(carrier: SimulatedCarrier) {
    this.carrier = carrier;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#go = resolve;
  }

  get ended(): boolean {
    return this.#disposed || this.carrier.ended;
  }

  load(): Promise<LoadOutcome> {
    throw new StrataError('internal_error', 'A simulated instance loads nothing.');
  }

  invoke(): Promise<InvokeOutcome> {
    throw new StrataError('internal_error', 'A simulated instance runs nothing.');
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    this.#go();
    this.carrier.clock.unsettled();
    return this.gone;
  }
}
