/**
 * Tariffs: what one invocation costs, from integers to an amount.
 *
 * Owns the formulas. Amounts are integers of the smallest unit until they are shown. Never measures.
 * `cpu` is the founding definition: how many seconds the CPU ran, 1 CU a vCPU second; residency is free.
 * `fc-2024` is Alibaba Function Compute's formula since 2024-08-27; `lambda` AWS Lambda's billed milliseconds ×
 * memory; `workers` Cloudflare Workers' CPU milliseconds.
 */

/** What a tariff prices. */
export interface Usage {
  /** CPU time of load, initializer and handler, nanoseconds, an integer. */
  readonly cpuNs: number;
  /** Wall time of load, initializer and handler, nanoseconds, an integer. */
  readonly wallNs: number;
  readonly memoryMb: number;
}

export interface Price {
  readonly tariff: TariffName;
  readonly formula: string;
  /** In the unit of the tariff: CU, or GB seconds, or CPU milliseconds. */
  readonly amount: number;
}

export type TariffName = 'cpu' | 'fc-2024' | 'lambda' | 'workers';

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
const MB_PER_GB = 1024;
const FC_CU_PER_CALL = 75 / 10_000;
const FC_CU_PER_GB_SECOND = 0.15;

const FORMULAS: Readonly<Record<TariffName, string>> = {
  cpu: 'load, init and handler CPU seconds × 1 CU',
  'fc-2024': '75 CU ÷ 10,000 calls + vCPU seconds + 0.15 × GB seconds, without disk',
  lambda: 'wall milliseconds, rounded up × GB',
  workers: 'CPU milliseconds',
};

export const price = (usage: Usage, tariff: TariffName): Price => ({
  tariff,
  formula: FORMULAS[tariff],
  amount: AMOUNTS[tariff](usage),
});

const AMOUNTS: Readonly<Record<TariffName, (usage: Usage) => number>> = {
  cpu: ({ cpuNs }) => cpuNs / NS_PER_SECOND,
  'fc-2024': (usage) => fcUnits(1, usage.cpuNs / NS_PER_SECOND, gbSeconds(usage)),
  lambda: ({ wallNs, memoryMb }) => (Math.ceil(wallNs / NS_PER_MS) / 1000) * (memoryMb / MB_PER_GB),
  workers: ({ cpuNs }) => cpuNs / NS_PER_MS,
};

/** Gigabyte seconds of configured memory over wall time. */
export const gbSeconds = ({ wallNs, memoryMb }: Usage): number =>
  (memoryMb / MB_PER_GB) * (wallNs / NS_PER_SECOND);

/** CU of many calls at once, as the published example sums them. */
export const fcUnits = (calls: number, vcpuSeconds: number, gigabyteSeconds: number): number =>
  calls * FC_CU_PER_CALL + vcpuSeconds + gigabyteSeconds * FC_CU_PER_GB_SECOND;
