import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { apportion, costOf, parsePrices, readPrices, type TariffPrices } from './prices.ts';
import { UNIT_SCALE } from './tariffs.ts';

/** The published prices of Function Compute. */
const FC = {
  currency: 'USD',
  decimals: 6,
  tariffs: {
    'fc-2024': {
      tiers: [
        { upTo: '100000000', price: '0.000020' },
        { upTo: '500000000', price: '0.000017' },
        { price: '0.000014' },
      ],
    },
  },
};

const pricesOf = (freeUnits: string): TariffPrices => {
  const table = parsePrices({ ...FC, tariffs: { 'fc-2024': { ...FC.tariffs['fc-2024'], freeUnits } } });
  const prices = table.tariffs['fc-2024'];
  if (prices === undefined) throw new Error('the table lost a tariff');
  return prices;
};
const cost = (units: number, freeUnits = '0'): bigint =>
  costOf(BigInt(units) * UNIT_SCALE, pricesOf(freeUnits), FC.decimals);

const folder = mkdtempSync(join(tmpdir(), 'strata-prices-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('prices', () => {
  it.each<[number, string, bigint]>([
    [217_500, '0', 4_350_000n],
    [217_500, '150000', 1_350_000n],
    [150_000, '150000', 0n],
    [100_000_000, '0', 2_000_000_000n],
    [100_000_001, '0', 2_000_000_017n],
    [500_000_000, '0', 8_800_000_000n],
    [600_000_000, '0', 10_200_000_000n],
  ])('of %i units with %s free are %i millionths', (units, free, expected) => {
    expect(cost(units, free)).toBe(expected);
  });

  it('round half up, once', () => {
    const cents = { free: 0n, tiers: [{ upTo: null, price: 5_000_000_000n }] };
    expect(costOf(UNIT_SCALE, cents, 2)).toBe(1n);
    expect(costOf(UNIT_SCALE - 1n, cents, 2)).toBe(0n);
    expect(costOf(3n * UNIT_SCALE, cents, 2)).toBe(2n);
  });

  it('never cost less for more units', () => {
    const units = fc.bigInt({ min: 0n, max: 10n ** 12n * UNIT_SCALE });
    fc.assert(
      fc.property(units, units, (one, more) => {
        const prices = pricesOf('1000');
        expect(costOf(one + more, prices, 2)).toBeGreaterThanOrEqual(costOf(one, prices, 2));
      }),
    );
  });

  it('are divided into whole numbers that add up, none further off than one', () => {
    const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 20n }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), weights, (amount, parts) => {
        const divided = apportion(amount, parts);
        expect(divided.reduce((sum, one) => sum + one, 0n)).toBe(amount);
        const total = parts.reduce((sum, one) => sum + one, 0n);
        if (total === 0n) return;
        for (const [at, part] of divided.entries()) {
          const floor = (amount * (parts[at] ?? 0n)) / total;
          expect(part - floor === 0n || part - floor === 1n).toBe(true);
        }
      }),
    );
  });

  it.each<[string, unknown, RegExp]>([
    ['no table', [], /the file/],
    ['an unknown tariff', { ...FC, tariffs: { gold: { tiers: [{ price: '1' }] } } }, /tariffs/],
    ['a price with a minus', { ...FC, tariffs: { cpu: { tiers: [{ price: '-1' }] } } }, /price/],
    [
      'a last tier that ends',
      { ...FC, tariffs: { cpu: { tiers: [{ upTo: '1', price: '1' }] } } },
      /last alone/,
    ],
    [
      'tiers out of order',
      {
        ...FC,
        tariffs: { cpu: { tiers: [{ upTo: '2', price: '1' }, { upTo: '2', price: '1' }, { price: '1' }] } },
      },
      /one after the other; tier 2/,
    ],
  ])('refuse %s', (_, table, message) => {
    expect(() => parsePrices(table)).toThrow(message);
  });

  it('are read from a file, or refused with its name', () => {
    const path = join(folder, 'prices.json');
    expect(() => readPrices(path)).toThrow(/prices\.json cannot be used: ENOENT/);
    writeFileSync(path, '{');
    expect(() => readPrices(path)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    writeFileSync(path, JSON.stringify(FC));
    expect(readPrices(path)).toMatchObject({ currency: 'USD', decimals: 6 });
  });
});
