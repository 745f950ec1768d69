/**
 * What can be asked of the ledger, and the shapes of its answers.
 *
 * Owns the shapes alone. Totals are rounded where they are shown, half up to nine digits; `exact` has the integers that
 * they come from, as text, because a year does not fit into a JavaScript number.
 */
import type { Receipt } from '../core/receipt.ts';
import type { Tier } from '../core/spec.ts';
import type { TariffName } from './tariffs.ts';

export { TARIFF_NAMES, type TariffName } from './tariffs.ts';

export const GROUP_KEYS = ['tenant', 'function', 'version', 'day'] as const;
export type GroupKey = (typeof GROUP_KEYS)[number];

export interface UsageQuery {
  /** Null for all tenants: for the operator alone. */
  readonly tenant: string | null;
  /** The first day, `2026-01-31`, UTC; the first of this month unless told. */
  readonly from?: string;
  /** The day behind the last; tomorrow unless told. */
  readonly to?: string;
  readonly groupBy?: readonly GroupKey[];
  readonly tariff?: TariffName;
}

export interface UsageRow {
  /** One for each key that was grouped by. */
  readonly tenant?: string;
  readonly function?: string;
  readonly version?: string;
  readonly day?: string;
  readonly invocations: number;
  /** Of those, how many failed; what was refused before it ran is no invocation and costs nothing. */
  readonly failed: number;
  readonly cpuSeconds: number;
  readonly gbSeconds: number;
  /** Units of the tariff, which says what they count. */
  readonly cuSeconds: number;
  /** In the smallest unit of the currency; null without prices for the tariff. */
  readonly amount: number | null;
  readonly exact: ExactUsage;
}

/** Whole numbers as text. */
export interface ExactUsage {
  readonly cpuNs: string;
  readonly wallUs: string;
  readonly memoryMbUs: string;
  /** Parts of 512,000,000,000 of a unit. */
  readonly units: string;
}

/** What was ready or kept and served nobody: the operator's own cost, on nobody's bill. */
export interface OperatorRow {
  readonly tenant: null;
  readonly day?: string;
  readonly tier: Tier;
  readonly runtime: string;
  readonly layer: string;
  /** `kept`, or `ahead` for code that was loaded ahead and not used since. */
  readonly use: string;
  readonly gbSeconds: number;
  /** Of loads ahead that nobody ever used. */
  readonly cpuSeconds: number;
}

export interface UsageReport {
  readonly from: string;
  readonly to: string;
  readonly groupBy: readonly GroupKey[];
  readonly tariff: { readonly name: TariffName; readonly formula: string; readonly unit: string };
  /** Null without prices for the tariff. */
  readonly currency: { readonly code: string; readonly decimals: number } | null;
  /** False while receipts wait that cannot be written: their invocations are not in it yet. */
  readonly complete: boolean;
  /** In the order of the keys. */
  readonly rows: readonly UsageRow[];
  readonly total: UsageRow;
  /** For the operator alone. */
  readonly operator?: readonly OperatorRow[];
}

export interface ReceiptsQuery {
  readonly tenant: string | null;
  /** Milliseconds since the epoch, of the start. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** One receipt of an export, with the integers that are added up. */
export interface ReceiptLine extends Receipt {
  readonly attempt: number;
  readonly exact: Omit<ExactUsage, 'units'>;
}

export interface Usage {
  /** @throws StrataError `invalid_request` for days, keys or a tariff that do not exist or are too many, `overloaded`. */
  report(query: UsageQuery): Promise<UsageReport>;
  /**
   * Receipts in the order of writing; a page at a time, for as long as they are read.
   * @throws StrataError `invalid_request`, `overloaded` when too many are read at once.
   */
  receipts(query: ReceiptsQuery): AsyncIterableIterator<readonly ReceiptLine[]>;
  /** The receipt of the last attempt, as it was stored; null when there is none, or it is another tenant's. */
  receipt(invocationId: string, tenant: string): Receipt | null;
  /** Resolves when the receipts of all that has ended are on the disk. */
  flush(): Promise<void>;
}
