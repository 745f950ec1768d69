/**
 * Adding up the ledger's days into the rows of a report.
 *
 * Owns the reading a slice at a time, the grouping, and the money. Invariants: what one report reads and returns is
 * bounded; the amount of a tenant's day is the difference that the day makes to the cost of its month, divided among the
 * day's functions by their units, so that amounts add up whatever they are grouped by and whatever range is asked for.
 */
import { StrataError } from '../core/errors.ts';
import type { GroupKey, UsageRow } from './api.ts';
import { dayText, monthOf } from './days.ts';
import { decimalNumber } from './decimals.ts';
import type { DaySum, LedgerStore } from './ledger-store.ts';
import { apportion, costOf, type TariffPrices } from './prices.ts';
import { addTotals, NO_TOTALS, type Totals } from './quantities.ts';
import { gbSecondsOf, scaledUnits, type TariffName, UNIT_SCALE } from './tariffs.ts';

/** Sums that one report reads, and rows that it has. */
const SUMS_MAX = 100_000;
const ROWS_MAX = 10_000;
/** What is worked through before others have their turn. */
const SLICE = 500;

/** Lets everything else that waits have its turn. */
export const breath = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** One tenant's sums of one day. */
export interface TenantDay {
  readonly tenant: string;
  readonly sums: readonly DaySum[];
}

/**
 * The sums of each tenant's days in order, whole days at a time.
 * @param tenant null for all, in the order of names.
 * @throws StrataError `invalid_request` when they are too many.
 */
export async function* readSums(
  store: LedgerStore,
  tenant: string | null,
  fromDay: number,
  toDay: number,
): AsyncGenerator<TenantDay> {
  const budget = { left: SUMS_MAX };
  let owner = tenant ?? store.nextTenant('');
  while (owner !== null) {
    yield* readTenant(store, owner, fromDay, toDay, budget);
    owner = tenant === null ? store.nextTenant(owner) : null;
    await breath();
  }
}

async function* readTenant(
  store: LedgerStore,
  tenant: string,
  fromDay: number,
  toDay: number,
  budget: { left: number },
): AsyncGenerator<TenantDay> {
  let after: Pick<DaySum, 'day' | 'name' | 'version'> = { day: fromDay, name: '', version: '' };
  let open: DaySum[] = [];
  for (;;) {
    const slice = store.sums(tenant, toDay, after, SLICE);
    budget.left -= slice.length;
    if (budget.left < 0)
      throw new StrataError(
        'invalid_request',
        `This would add up more than ${SUMS_MAX} sums of days; ask for fewer days at once.`,
      );
    for (const sum of slice) {
      if (open[0] !== undefined && open[0].day !== sum.day) {
        yield { tenant, sums: open };
        open = [];
      }
      open.push(sum);
    }
    const last = slice.at(-1);
    if (last === undefined || slice.length < SLICE) break;
    after = last;
    await breath();
  }
  if (open.length > 0) yield { tenant, sums: open };
}

interface Row {
  readonly keys: Partial<Record<GroupKey, string>>;
  totals: Totals;
  failed: bigint;
  amount: bigint;
}

/** The rows of one report. */
export class Rows {
  readonly #groupBy: readonly GroupKey[];
  readonly #tariff: TariffName;
  readonly #fromDay: number;
  readonly #prices: (TariffPrices & { readonly decimals: number }) | null;
  readonly #rows = new Map<string, Row>();
  readonly #total: Row = { keys: {}, totals: NO_TOTALS, failed: 0n, amount: 0n };
  /** Units of the tenant in the month so far. */
  #month = { tenant: '', first: -1, units: 0n };

  /** @param fromDay days before it count towards the tiers and are in no row. */
  constructor(
    groupBy: readonly GroupKey[],
    tariff: TariffName,
    fromDay: number,
    prices: (TariffPrices & { readonly decimals: number }) | null,
  ) {
    this.#groupBy = groupBy;
    this.#tariff = tariff;
    this.#fromDay = fromDay;
    this.#prices = prices;
  }

  /**
   * Adds a day of a tenant; days come in order, all of one tenant before those of the next.
   * @throws StrataError `invalid_request` when there are too many rows.
   */
  add(tenant: string, sums: readonly DaySum[]): void {
    const day = sums[0]?.day ?? 0;
    const amounts = this.#price(tenant, day, sums);
    if (day < this.#fromDay) return;
    for (const [at, sum] of sums.entries()) {
      const row = this.#rowOf(tenant, sum);
      for (const each of [row, this.#total]) {
        each.totals = addTotals(each.totals, sum);
        each.failed += sum.failed;
        each.amount += amounts[at] ?? 0n;
      }
    }
  }

  result(): { readonly rows: readonly UsageRow[]; readonly total: UsageRow } {
    const keys = this.#groupBy;
    const rows = [...this.#rows.values()].sort((one, other) => {
      for (const key of keys) {
        const [left = '', right = ''] = [one.keys[key], other.keys[key]];
        if (left !== right) return left < right ? -1 : 1;
      }
      return 0;
    });
    return { rows: rows.map((row) => this.#view(row)), total: this.#view(this.#total) };
  }

  #price(tenant: string, day: number, sums: readonly DaySum[]): readonly bigint[] {
    if (this.#prices === null) return [];
    const first = monthOf(day);
    if (this.#month.tenant !== tenant || this.#month.first !== first)
      this.#month = { tenant, first, units: 0n };
    const units = sums.map((sum) => scaledUnits(sum, this.#tariff));
    const before = this.#month.units;
    this.#month.units = units.reduce((all, one) => all + one, before);
    const { decimals } = this.#prices;
    const cost = costOf(this.#month.units, this.#prices, decimals) - costOf(before, this.#prices, decimals);
    return apportion(cost, units);
  }

  #rowOf(tenant: string, { day, name, version }: DaySum): Row {
    const all = { tenant, function: name, version, day: dayText(day) };
    const keys = Object.fromEntries(this.#groupBy.map((key) => [key, all[key]]));
    const id = JSON.stringify(keys);
    let row = this.#rows.get(id);
    if (row === undefined) {
      if (this.#rows.size >= ROWS_MAX)
        throw new StrataError(
          'invalid_request',
          `This report has more than ${ROWS_MAX} rows; ask for fewer days, or group by less.`,
        );
      row = { keys, totals: NO_TOTALS, failed: 0n, amount: 0n };
      this.#rows.set(id, row);
    }
    return row;
  }

  #view({ keys, totals, failed, amount }: Row): UsageRow {
    const units = scaledUnits(totals, this.#tariff);
    return {
      ...keys,
      invocations: Number(totals.invocations),
      failed: Number(failed),
      cpuSeconds: decimalNumber(totals.cpuNs, 1_000_000_000n),
      gbSeconds: gbSecondsOf(totals.memoryMbUs),
      cuSeconds: decimalNumber(units, UNIT_SCALE),
      amount: this.#prices === null ? null : Number(amount),
      exact: {
        cpuNs: String(totals.cpuNs),
        wallUs: String(totals.wallUs),
        memoryMbUs: String(totals.memoryMbUs),
        units: String(units),
      },
    };
  }
}
