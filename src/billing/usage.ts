/**
 * What the ledger tells: usage summed by keys, receipts by the page, and one receipt.
 *
 * Owns who gets what at which cost: reports are made one after the other and receipts are read a page at a time, so that
 * neither keeps invocations waiting; how much one call may read is bounded. Never writes. Invariants: a tenant's
 * question reads that tenant's rows alone; what was added before the question is in the answer.
 */
import { StrataError } from '../core/errors.ts';
import type { Receipt } from '../core/receipt.ts';
import { type Runtime, tierOf } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import {
  GROUP_KEYS,
  type OperatorRow,
  type ReceiptLine,
  type ReceiptsQuery,
  type Usage,
  type UsageQuery,
  type UsageReport,
} from './api.ts';
import { dayOf, dayText, monthOf, parseDay } from './days.ts';
import { decimalNumber } from './decimals.ts';
import type { Ledger } from './ledger.ts';
import { type LedgerRecord, measuredOf, quantitiesOfRecord } from './ledger-row.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { PriceTable } from './prices.ts';
import { toReceipt } from './receipts.ts';
import { breath, Rows, readSums } from './summing.ts';
import { isTariff, TARIFF_NAMES, TARIFFS, type TariffName } from './tariffs.ts';

export interface UsageOptions {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly store: LedgerStore;
  /** Of receipts, and of questions that name none. */
  readonly tariff: TariffName;
  readonly prices: PriceTable | null;
  /** Records the operator's own part up to now. */
  readonly settleOperator: () => void;
}

/** Ten years. */
const DAYS_MAX = 3_660;
/** Reports that may wait for their turn. */
const REPORTS_MAX = 64;
const PAGE_ROWS = 500;
/** Exports that may be read at once, by one tenant and in all. */
const EXPORTS_OF_TENANT_MAX = 2;
const EXPORTS_MAX = 32;

export class LedgerUsage implements Usage {
  readonly #options: UsageOptions;
  #reports: Promise<unknown> = Promise.resolve();
  #reporting = 0;
  readonly #exports = new Map<string | null, number>();
  #exporting = 0;

  constructor(options: UsageOptions) {
    this.#options = options;
  }

  async report(query: UsageQuery): Promise<UsageReport> {
    const asked = this.#checked(query);
    if (this.#reporting >= REPORTS_MAX)
      throw tooMany(`${REPORTS_MAX} reports of usage are being made or wait`);
    this.#reporting += 1;
    const turn = this.#reports.then(() => this.#report(asked));
    this.#reports = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#reporting -= 1;
    }
  }

  async *receipts(query: ReceiptsQuery): AsyncIterableIterator<readonly ReceiptLine[]> {
    const { tenant } = query;
    const own = this.#exports.get(tenant) ?? 0;
    if (own >= EXPORTS_OF_TENANT_MAX || this.#exporting >= EXPORTS_MAX)
      throw tooMany(
        `${own} exports of receipts are being read by this tenant and ${this.#exporting} in all; ` +
          `${EXPORTS_OF_TENANT_MAX} and ${EXPORTS_MAX} may be`,
      );
    this.#exports.set(tenant, own + 1);
    this.#exporting += 1;
    try {
      await this.#flushed();
      yield* this.#pages(query);
    } finally {
      this.#exporting -= 1;
      const left = (this.#exports.get(tenant) ?? 1) - 1;
      if (left === 0) this.#exports.delete(tenant);
      else this.#exports.set(tenant, left);
    }
  }

  receipt(invocationId: string, tenant: string): Receipt | null {
    const { store, ledger, tariff } = this.#options;
    const record = ledger.pending(invocationId) ?? store.receipt(invocationId);
    return record === null || record.tenant !== tenant ? null : toReceipt(measuredOf(record), tariff);
  }

  flush(): Promise<void> {
    return this.#options.ledger.flush();
  }

  /** @throws StrataError `invalid_request`. */
  #checked({ tenant, from, to, groupBy = [], tariff = this.#options.tariff }: UsageQuery): Asked {
    const today = dayOf(this.#options.clock.wallMs());
    const fromDay = from === undefined ? monthOf(today) : parseDay('from', from);
    const toDay = to === undefined ? Math.max(today, fromDay) + 1 : parseDay('to', to);
    if (toDay <= fromDay || toDay - fromDay > DAYS_MAX)
      throw new StrataError(
        'invalid_request',
        `from is ${dayText(fromDay)} and to is ${dayText(toDay)}; to is the day behind the last one, and at most ` +
          `${DAYS_MAX} days later.`,
      );
    if (!isTariff(tariff))
      throw new StrataError(
        'invalid_request',
        `There is no tariff ${JSON.stringify(String(tariff).slice(0, 64))}; there are ${TARIFF_NAMES.join(', ')}.`,
      );
    for (const key of groupBy)
      if (!GROUP_KEYS.includes(key) || groupBy.indexOf(key) !== groupBy.lastIndexOf(key))
        throw new StrataError(
          'invalid_request',
          `groupBy has ${JSON.stringify(String(key).slice(0, 64))}; it takes each of ${GROUP_KEYS.join(', ')} once.`,
        );
    return { tenant, fromDay, toDay, groupBy, tariff };
  }

  async #report({ tenant, fromDay, toDay, groupBy, tariff }: Asked): Promise<UsageReport> {
    const { store, prices, settleOperator } = this.#options;
    const isOperator = tenant === null;
    if (isOperator) settleOperator();
    const complete = await this.#flushed();
    const priced = prices?.tariffs[tariff];
    const rows = new Rows(
      groupBy,
      tariff,
      fromDay,
      priced === undefined ? null : { ...priced, decimals: prices?.decimals ?? 0 },
    );
    // The tiers of the first month count from its first day.
    const firstDay = priced === undefined ? fromDay : monthOf(fromDay);
    for await (const { tenant: owner, sums } of readSums(store, tenant, firstDay, toDay))
      rows.add(owner, sums);
    return {
      from: dayText(fromDay),
      to: dayText(toDay),
      groupBy,
      tariff: TARIFFS[tariff],
      currency:
        priced === undefined || prices === null ? null : { code: prices.currency, decimals: prices.decimals },
      complete,
      ...rows.result(),
      ...(isOperator ? { operator: this.#operator(fromDay, toDay, groupBy.includes('day')) } : {}),
    };
  }

  #operator(fromDay: number, toDay: number, byDay: boolean): OperatorRow[] {
    const merged = new Map<
      string,
      { day: number; runtime: string; layer: string; use: string; memoryMbMs: bigint; cpuNs: bigint }
    >();
    for (const entry of this.#options.store.operator(fromDay, toDay)) {
      const key = `${byDay ? entry.day : ''} ${entry.runtime} ${entry.layer} ${entry.use}`;
      const before = merged.get(key);
      if (before === undefined) merged.set(key, { ...entry });
      else {
        before.memoryMbMs += entry.memoryMbMs;
        before.cpuNs += entry.cpuNs;
      }
    }
    return [...merged.values()].map(({ day, runtime, layer, use, memoryMbMs, cpuNs }) => ({
      tenant: null,
      ...(byDay ? { day: dayText(day) } : {}),
      ...{ tier: tierOf(runtime as Runtime), runtime, layer, use },
      gbSeconds: decimalNumber(memoryMbMs, 1_024_000n),
      cpuSeconds: decimalNumber(cpuNs, 1_000_000_000n),
    }));
  }

  async *#pages(query: ReceiptsQuery): AsyncGenerator<readonly ReceiptLine[]> {
    const { store } = this.#options;
    // What is written while they are read is not among them, so that every export ends.
    const { last } = store.ends();
    let from: number | null = 0;
    while (from !== null) {
      const page = store.page(query, from, last, PAGE_ROWS);
      if (page.records.length > 0) yield page.records.map((record) => this.#line(record));
      from = page.next;
      await breath();
    }
  }

  #line(record: LedgerRecord): ReceiptLine {
    const { cpuNs, wallUs, memoryMbUs } = quantitiesOfRecord(record);
    return {
      ...toReceipt(measuredOf(record), this.#options.tariff),
      attempt: record.attempt,
      exact: { cpuNs: String(cpuNs), wallUs: String(wallUs), memoryMbUs: String(memoryMbUs) },
    };
  }

  /** Whether everything is on the disk; what is stored can be read when it is not. */
  async #flushed(): Promise<boolean> {
    try {
      await this.#options.ledger.settled();
      return true;
    } catch {
      return false;
    }
  }
}

interface Asked {
  readonly tenant: string | null;
  readonly fromDay: number;
  readonly toDay: number;
  readonly groupBy: NonNullable<UsageQuery['groupBy']>;
  readonly tariff: TariffName;
}

const tooMany = (what: string): StrataError =>
  new StrataError('overloaded', `${what}; ask again when they are done.`, { retryAfterMs: 1_000 });
