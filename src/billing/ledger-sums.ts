/**
 * What a batch of receipts adds to the sums of their days.
 *
 * Owns the addition, in memory: the database would read again what it has just been given. Invariant: sums are exact, also
 * where they pass what a JavaScript number holds.
 */
import type { LedgerRow } from './ledger-row.ts';

/** In the order of the table's columns: the key, the number of invocations and of failed ones, and the quantities. */
export type BatchSum = readonly [
  tenant: string,
  day: number,
  name: string,
  version: string,
  invocations: number,
  failed: number,
  cpuNs: bigint,
  wallUs: bigint,
  memoryMbUs: bigint,
  billedMbMs: bigint,
];

const DAY_MS = 86_400_000;

export const sumsOf = (rows: readonly LedgerRow[]): BatchSum[] => {
  const groups = new Map<string, Group>();
  let last: Group | undefined;
  for (const row of rows) {
    const day = Math.floor(row.startedMs / DAY_MS);
    // Those that follow each other are mostly of one function.
    if (last === undefined || !last.has(row, day)) {
      // Days and versions have no slash in them, and neither do tenants.
      const key: string = `${day}/${row.version}/${row.tenant}/${row.name}`;
      last = groups.get(key) ?? new Group(row, day);
      groups.set(key, last);
    }
    last.add(row);
  }
  return Array.from(groups.values(), (group) => group.sum());
};

class Group {
  readonly #tenant: string;
  readonly #day: number;
  readonly #name: string;
  readonly #version: string;
  #invocations = 0;
  #failed = 0;
  readonly #cpuNs = new Exact();
  readonly #wallUs = new Exact();
  readonly #memoryMbUs = new Exact();
  readonly #billedMbMs = new Exact();

  constructor({ tenant, name, version }: LedgerRow, day: number) {
    this.#tenant = tenant;
    this.#day = day;
    this.#name = name;
    this.#version = version;
  }

  has({ tenant, name, version }: LedgerRow, day: number): boolean {
    return name === this.#name && tenant === this.#tenant && version === this.#version && day === this.#day;
  }

  add({ failure, quantities: { cpuNs, wallUs, memoryMbUs, billedMbMs } }: LedgerRow): void {
    this.#invocations += 1;
    if (failure !== null) this.#failed += 1;
    this.#cpuNs.add(cpuNs);
    this.#wallUs.add(wallUs);
    this.#memoryMbUs.add(memoryMbUs);
    this.#billedMbMs.add(billedMbMs);
  }

  sum(): BatchSum {
    return [
      ...([this.#tenant, this.#day, this.#name, this.#version, this.#invocations, this.#failed] as const),
      ...([this.#cpuNs.sum(), this.#wallUs.sum(), this.#memoryMbUs.sum(), this.#billedMbMs.sum()] as const),
    ];
  }
}

/** A sum of whole numbers that each are far below 2^53. */
class Exact {
  #high = 0n;
  #low = 0;

  add(value: number): void {
    const sum = this.#low + value;
    if (sum <= Number.MAX_SAFE_INTEGER) this.#low = sum;
    else {
      this.#high += BigInt(this.#low);
      this.#low = value;
    }
  }

  sum(): bigint {
    return this.#high + BigInt(this.#low);
  }
}
