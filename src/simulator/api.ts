/**
 * What a simulation takes and gives: the contract between the command line, the benches and the simulation itself.
 */
import type { Tier } from '../core/spec.ts';
import type { LayerCosts, PolicyName } from '../pool/policy/api.ts';
import type { RunFigures } from './results.ts';
import type { Trace, TraceSummary } from './trace.ts';

export interface SimulationOptions {
  readonly trace: Trace;
  readonly policies: readonly PolicyName[];
  readonly budgetsGb: readonly number[];
  readonly tiers: readonly Tier[];
  /** Of the arrivals and of everything else that is left to chance. */
  readonly seed: number;
  /** Called now and then with what is being simulated. */
  readonly progress?: (message: string) => void;
}

/** Every combination of tier, budget and policy is one run, in this order. */
export type Simulate = (options: SimulationOptions) => Promise<SimulationResult>;

/** What somebody comes to who knows the future, by rising price for memory: see `clairvoyant.ts`. */
export interface Bounds {
  /** Who knows every gap, and keeps or gives up. */
  readonly keeping: readonly BoundPoint[];
  /** Who knows all that can be known, and can do anything. */
  readonly knowing: readonly BoundPoint[];
}

export interface BoundPoint {
  readonly priceMsPerMbSecond: number;
  /** Invocations that did not find an instance. */
  readonly misses: number;
  readonly startLatencyMs: number;
  readonly idleMbSeconds: number;
}

export interface SimulationRun {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: PolicyName;
  readonly figures: RunFigures;
}

export interface SimulationResult {
  /** Of this package. */
  readonly version: string;
  readonly trace: TraceSummary;
  readonly seed: number;
  /** What the layers cost in each tier, of a function with the trace's median memory. */
  readonly costs: Readonly<Partial<Record<Tier, LayerCosts>>>;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** By tier, whatever the budget. */
  readonly bounds: Readonly<Partial<Record<Tier, Bounds>>>;
  readonly runs: readonly SimulationRun[];
}
