/**
 * What an invocation used, in integers: the only figures that are ever added up.
 *
 * Owns the units and their bounds. Nanoseconds of CPU, microseconds of wall time, megabyte-microseconds of configured
 * memory, and megabyte-milliseconds with each invocation's wall time rounded up. Invariants: each figure of one
 * invocation is a whole number from 0 to its bound, far below 2^53; ten thousand of them added to a sum at
 * `SUM_MAX` stay below 2^63, so that SQLite's integers never overflow.
 */

/** What of an invocation is billed. */
export interface Quantities {
  /** CPU time of load, initializer and handler. */
  readonly cpuNs: number;
  /** Wall time of load, initializer and handler. */
  readonly wallUs: number;
  /** Configured memory over that time. */
  readonly memoryMbUs: number;
  /** The same with the time rounded up to milliseconds. */
  readonly billedMbMs: number;
}

/** Quantities of many invocations: days and years do not fit into a JavaScript number. */
export interface Totals {
  readonly invocations: bigint;
  readonly cpuNs: bigint;
  readonly wallUs: bigint;
  readonly memoryMbUs: bigint;
  readonly billedMbMs: bigint;
}

/** 2.7 hours of CPU; what says more is wrong, and would spoil the sums of others. */
export const CPU_MAX_NS = 1e13;
/** 2.7 hours. */
const WALL_MAX_US = 1e10;
const MEMORY_MAX_MB = 10_240;
/** What a sum of one tenant, day, function and version holds at most: 253 years of CPU. It stays there. */
export const SUM_MAX = 8_000_000_000_000_000_000n;

const US_PER_MS = 1000;

/** A measured figure as a whole number within its bound; what is no number is nothing. */
export const whole = (value: number, max: number): number =>
  value > 0 ? Math.min(Math.round(value), max) : 0;

/** Milliseconds as the ledger has them. */
export const microseconds = (ms: number): number => whole(ms * US_PER_MS, WALL_MAX_US);

export interface Measurements {
  /** Nanoseconds of CPU time. */
  readonly initCpuNs: number;
  readonly handlerCpuNs: number;
  /** Milliseconds, in the order of `PHASES`. */
  readonly phases: readonly number[];
  readonly memoryMb: number;
}

export const quantitiesOf = ({ initCpuNs, handlerCpuNs, phases, memoryMb }: Measurements): Quantities => {
  const [, , , load = 0, init = 0, handler = 0] = phases;
  const wallUs = Math.min(microseconds(load) + microseconds(init) + microseconds(handler), WALL_MAX_US);
  const memory = whole(memoryMb, MEMORY_MAX_MB);
  return {
    cpuNs: Math.min(whole(initCpuNs, CPU_MAX_NS) + whole(handlerCpuNs, CPU_MAX_NS), CPU_MAX_NS),
    wallUs,
    memoryMbUs: memory * wallUs,
    billedMbMs: memory * Math.ceil(wallUs / US_PER_MS),
  };
};

export const totalsOf = (one: Quantities): Totals => ({
  invocations: 1n,
  cpuNs: BigInt(one.cpuNs),
  wallUs: BigInt(one.wallUs),
  memoryMbUs: BigInt(one.memoryMbUs),
  billedMbMs: BigInt(one.billedMbMs),
});

export const NO_TOTALS: Totals = { invocations: 0n, cpuNs: 0n, wallUs: 0n, memoryMbUs: 0n, billedMbMs: 0n };

export const addTotals = (one: Totals, other: Totals): Totals => ({
  invocations: one.invocations + other.invocations,
  cpuNs: one.cpuNs + other.cpuNs,
  wallUs: one.wallUs + other.wallUs,
  memoryMbUs: one.memoryMbUs + other.memoryMbUs,
  billedMbMs: one.billedMbMs + other.billedMbMs,
});
