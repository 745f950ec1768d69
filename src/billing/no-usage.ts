/**
 * The answers of a server that keeps no ledger: there is nothing to ask for, and nothing to wait for.
 */
import { StrataError } from '../core/errors.ts';
import type { Usage } from './api.ts';

const none = (): never => {
  throw new StrataError(
    'not_found',
    'This server keeps no receipts for good: its setting ledger.mode is "off".',
  );
};

export const NO_USAGE: Usage = {
  report: async () => none(),
  // biome-ignore lint/correctness/useYield: it refuses before the first page
  async *receipts() {
    none();
  },
  receipt: () => null,
  flush: async () => {},
};
