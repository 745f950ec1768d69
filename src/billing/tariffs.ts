/**
 * Tariffs: how many units an invocation, or many, come to.
 *
 * Owns the formulas. Never measures and knows no money; `prices.ts` does. `cpu` is the founding definition: how many
 * seconds the CPU ran, 1 CU a vCPU second; residency is free. `fc-2024` is Alibaba Function Compute's formula since
 * 2024-08-27, without its rounding up to whole CU an hour; `lambda` AWS Lambda's billed milliseconds × memory; `workers`
 * Cloudflare Workers' CPU milliseconds. Invariant: units are whole numbers of 1 ÷ `UNIT_SCALE`, in which every formula is
 * exact, so that the units of a sum are the sum of the units.
 */
import { decimalNumber } from './decimals.ts';
import { type Quantities, type Totals, totalsOf } from './quantities.ts';

export const TARIFF_NAMES = ['cpu', 'fc-2024', 'lambda', 'workers'] as const;
export type TariffName = (typeof TARIFF_NAMES)[number];

export interface Tariff {
  readonly name: TariffName;
  readonly formula: string;
  /** What its amounts count. */
  readonly unit: string;
}

export interface Price {
  readonly tariff: TariffName;
  readonly formula: string;
  /** In the unit of the tariff. */
  readonly amount: number;
}

/** The least common multiple of what the formulas divide by: nanoseconds, 400 calls and 20,480,000,000 MB·µs. */
export const UNIT_SCALE = 512_000_000_000n;

/** Of CPU time: 10^9 nanoseconds. */
const PER_CPU_NS = UNIT_SCALE / 1_000_000_000n;
/** 75 CU ÷ 10,000 calls. */
const PER_CALL = (UNIT_SCALE * 75n) / 10_000n;
/** 1 GB·s is 1,024 MB × 10^6 µs. */
const PER_MB_US = UNIT_SCALE / 1_024_000_000n;
/** 0.15 CU for each GB·s. */
const FC_PER_MB_US = (PER_MB_US * 15n) / 100n;
const PER_MB_MS = UNIT_SCALE / 1_024_000n;
const PER_CPU_NS_IN_MS = UNIT_SCALE / 1_000_000n;

export const TARIFFS: Readonly<Record<TariffName, Tariff>> = {
  cpu: { name: 'cpu', unit: 'CU', formula: 'load, init and handler CPU seconds × 1 CU' },
  'fc-2024': {
    name: 'fc-2024',
    unit: 'CU',
    formula: '75 CU ÷ 10,000 calls + vCPU seconds + 0.15 × GB seconds, without disk',
  },
  lambda: { name: 'lambda', unit: 'GB·s', formula: 'wall milliseconds, rounded up × GB' },
  workers: { name: 'workers', unit: 'CPU ms', formula: 'CPU milliseconds' },
};

const SCALED: Readonly<Record<TariffName, (totals: Totals) => bigint>> = {
  cpu: ({ cpuNs }) => PER_CPU_NS * cpuNs,
  'fc-2024': ({ invocations, cpuNs, memoryMbUs }) =>
    PER_CALL * invocations + PER_CPU_NS * cpuNs + FC_PER_MB_US * memoryMbUs,
  lambda: ({ billedMbMs }) => PER_MB_MS * billedMbMs,
  workers: ({ cpuNs }) => PER_CPU_NS_IN_MS * cpuNs,
};

/** Units in parts of `UNIT_SCALE`, exact. */
export const scaledUnits = (totals: Totals, tariff: TariffName): bigint => SCALED[tariff](totals);

/** Units of one invocation, rounded half up to nine digits. */
export const price = (usage: Quantities, tariff: TariffName): Price => ({
  tariff,
  formula: TARIFFS[tariff].formula,
  amount: decimalNumber(scaledUnits(totalsOf(usage), tariff), UNIT_SCALE),
});

/** Gigabyte seconds of configured memory over wall time, rounded half up to nine digits. */
export const gbSecondsOf = (memoryMbUs: bigint): number => decimalNumber(PER_MB_US * memoryMbUs, UNIT_SCALE);

export const isTariff = (name: string): name is TariffName =>
  (TARIFF_NAMES as readonly string[]).includes(name);
