/**
 * The ledger of an executor and what is asked of it, made from the configuration.
 *
 * Owns the wiring alone.
 */
import { join } from 'node:path';
import type { Usage } from './billing/api.ts';
import { Ledger } from './billing/ledger.ts';
import { LedgerStore } from './billing/ledger-store.ts';
import { NO_USAGE } from './billing/no-usage.ts';
import { type IdleMemory, OperatorMemory, type OperatorSpent } from './billing/operator-memory.ts';
import { readPrices } from './billing/prices.ts';
import { LedgerUsage } from './billing/usage.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './ports/clock.ts';
import { IN_MEMORY } from './ports/database.ts';

export interface LedgerParts {
  readonly ledger: Ledger | null;
  readonly usage: Usage;
  /** Null without a ledger, as long as the pools are not there to look at. */
  watchOperator(sources: OperatorSources): OperatorMemory | null;
  /** For a start that fails; else the executor closes both. */
  close(): void;
}

export interface OperatorSources {
  readonly spent: () => OperatorSpent;
  readonly unusedCpuNs: () => ReadonlyMap<string, number>;
  readonly idle: () => readonly IdleMemory[];
}

/** How often is looked which layers hold what is idle. */
const LOOK_MS = 1_000;

/**
 * Opens the ledger as the configuration asks.
 * @throws StrataError `invalid_request` for a price table that cannot be used; `conflict`, `storage_full` or
 *   `internal_error` when the database cannot be opened: it is left as it is.
 */
export const openLedger = (
  { ledger: settings, dataDir }: Config,
  clock: Clock,
  onFault: (message: string, details: Readonly<Record<string, unknown>>) => void,
): LedgerParts => {
  const prices = settings.pricesFile === '' ? null : readPrices(settings.pricesFile);
  if (settings.mode === 'off')
    return { ledger: null, usage: NO_USAGE, watchOperator: () => null, close: () => {} };
  const store = new LedgerStore(dataDir === IN_MEMORY ? IN_MEMORY : join(dataDir, 'ledger.db'));
  const ledger = new Ledger({ clock, store, settings, onFault });
  let operator: OperatorMemory | null = null;
  const usage = new LedgerUsage({
    ...{ clock, ledger, store, prices, tariff: settings.tariff },
    settleOperator: () => operator?.record(),
  });
  return {
    ledger,
    usage,
    watchOperator: (sources) => {
      operator = new OperatorMemory({
        ...{ ...sources, clock, intervalMs: LOOK_MS },
        record: (entries) => ledger.addOperator(entries),
      });
      return operator;
    },
    close: () => ledger.close(),
  };
};
