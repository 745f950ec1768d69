/** Receipts for good: how they are written and kept, and what they are priced by. */
import { TARIFF_NAMES } from '../../billing/api.ts';
import { choice, group, optionalText, whole } from './nodes.ts';

export const LEDGER = group(
  'Receipts on the disk, in `ledger.db` in the data folder, and what they are priced by.',
  {
    mode: choice(
      ['on', 'off'],
      'on',
      '`off` keeps no receipt beyond `records`: there is no usage to ask for, and nothing to bill by.',
    ),
    durability: choice(
      ['batched', 'before-answer'],
      'batched',
      'Whether an answer waits until its receipt is on the disk. `batched` does not: the end of the process without ' +
        'warning loses the receipts of the last `flushIntervalMs`, `batchRows` and what was in flight at the most.',
    ),
    flushIntervalMs: whole(
      200,
      [10, 10_000],
      'The longest that a receipt waits for the disk while the disk works.',
    ),
    batchRows: whole(1_000, [1, 2_000], 'So many waiting receipts are written at once, however soon.'),
    maxPending: whole(
      50_000,
      [1_000, 1_000_000],
      'Receipts that may wait for a disk that fails, of 2 KiB each on average; beyond it invocations are refused with ' +
        '`ledger_unavailable` before they run.',
    ),
    maxReceipts: whole(
      1_000_000,
      [10_000, 100_000_000],
      'Receipts kept one by one; the oldest go first, and stay in the sums of their days. A million take about 300 MB.',
    ),
    maxReceiptDays: whole(90, [1, 3_650], 'How long receipts are kept one by one at the most.'),
    maxSumDays: whole(1_830, [31, 36_500], 'How long the sums of days are kept.'),
    tariff: choice(
      [...TARIFF_NAMES],
      'cpu',
      'The formula of receipts and of the header `Strata-Cu-Seconds`; reports of usage take any of them.',
    ),
    pricesFile: optionalText(
      'A JSON file with what units cost: `currency`, `decimals` and, by tariff, `freeUnits` and `tiers`; without it ' +
        'usage has no amounts of money.',
    ),
  },
);
