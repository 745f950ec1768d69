/**
 * What is shown of the ledger and of what the operator pays itself.
 *
 * Owns the names and labels; all of it is read when somebody scrapes.
 */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface LedgerSources {
  readonly counts: () => {
    readonly pending: number;
    readonly stored: number;
    readonly duplicates: number;
    readonly writeFailures: number;
    readonly removed: number;
  };
  /** Few rows: kinds of idle memory. */
  readonly operator: () => readonly {
    readonly runtime: string;
    readonly layer: string;
    readonly use: string;
    readonly gbSeconds: number;
  }[];
}

export const ledgerMetrics = ({ counts, operator }: LedgerSources, registers: Registry[]): void => {
  new Gauge({
    name: 'strata_ledger_pending_receipts',
    help: 'Receipts that wait to be written.',
    registers,
    collect() {
      this.set(counts().pending);
    },
  });
  new Counter({
    name: 'strata_ledger_receipts_total',
    help: 'Receipts that came to the ledger; outcome is stored, duplicate, or removed when it was kept long enough.',
    labelNames: ['outcome'],
    registers,
    collect() {
      const { stored, duplicates, removed } = counts();
      this.reset();
      this.inc({ outcome: 'stored' }, stored);
      this.inc({ outcome: 'duplicate' }, duplicates);
      this.inc({ outcome: 'removed' }, removed);
    },
  });
  new Counter({
    name: 'strata_ledger_write_failures_total',
    help: 'Writes of receipts that failed; the receipts wait and are tried again.',
    registers,
    collect() {
      this.reset();
      this.inc(counts().writeFailures);
    },
  });
  new Counter({
    name: 'strata_operator_memory_gb_seconds_total',
    help: 'Memory that served nobody, on no tenant\u2019s bill; use is kept, or ahead for code that was loaded ahead and not used since.',
    labelNames: ['runtime', 'layer', 'use'],
    registers,
    collect() {
      this.reset();
      for (const { gbSeconds, ...labels } of operator()) this.inc(labels, gbSeconds);
    },
  });
};
