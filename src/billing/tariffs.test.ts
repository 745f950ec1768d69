import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalText } from './decimals.ts';
import { addTotals, NO_TOTALS, quantitiesOf, type Totals, totalsOf } from './quantities.ts';
import { gbSecondsOf, price, scaledUnits, TARIFF_NAMES, type TariffName, UNIT_SCALE } from './tariffs.ts';

/** So many calls of 200 ms with 0.25 vCPU and 0.5 GB. */
const callsOf = (calls: bigint): Totals => ({
  invocations: calls,
  cpuNs: calls * 50_000_000n,
  wallUs: calls * 200_000n,
  memoryMbUs: calls * 200_000n * 512n,
  billedMbMs: calls * 200n * 512n,
});

const unitsText = (totals: Totals, tariff: TariffName): string =>
  decimalText(scaledUnits(totals, tariff), UNIT_SCALE);

const measured = fc.record({
  initCpuNs: fc.nat(),
  handlerCpuNs: fc.nat(),
  memoryMb: fc.integer({ min: 16, max: 10_240 }),
  phases: fc.array(fc.double({ min: 0, max: 900_000, noNaN: true }), { minLength: 6, maxLength: 6 }),
});

describe('tariffs', () => {
  it('give the published example exactly: 3 M calls × 200 ms × 0.25 vCPU × 0.5 GB are 217,500 CU', () => {
    const totals = callsOf(3_000_000n);
    expect(scaledUnits(totals, 'fc-2024')).toBe(217_500n * UNIT_SCALE);
    const parts: Partial<Totals>[] = [
      { invocations: totals.invocations },
      { memoryMbUs: totals.memoryMbUs },
      { cpuNs: totals.cpuNs },
    ];
    expect(parts.map((part) => unitsText({ ...NO_TOTALS, ...part }, 'fc-2024'))).toEqual([
      '22500',
      '45000',
      '150000',
    ]);
  });

  it('give the same example call by call, and day by day', () => {
    expect(scaledUnits(callsOf(1n), 'fc-2024') * 3_000_000n).toBe(217_500n * UNIT_SCALE);
    expect(scaledUnits(callsOf(1n), 'fc-2024') + scaledUnits(callsOf(2_999_999n), 'fc-2024')).toBe(
      217_500n * UNIT_SCALE,
    );
  });

  it.each<[TariffName, string]>([
    ['cpu', '150000'],
    ['workers', '150000000'],
    ['lambda', '300000'],
  ])('%s of the same calls', (tariff, units) => {
    expect(unitsText(callsOf(3_000_000n), tariff)).toBe(units);
  });

  it.each<[TariffName, number]>([
    ['cpu', 0.5],
    ['workers', 500],
    ['lambda', 1.501 * 0.5],
    ['fc-2024', 0.0075 + 0.5 + 0.15 * 0.5 * 1.500001],
  ])('%s prices one invocation', (tariff, amount) => {
    const usage = quantitiesOf({
      ...{ initCpuNs: 0, handlerCpuNs: 500_000_000, memoryMb: 512, phases: [7, 7, 7, 0, 0, 1_500.001] },
    });
    const priced = price(usage, tariff);
    expect(priced.amount).toBeCloseTo(amount, 9);
    expect(priced.tariff).toBe(tariff);
    expect(priced.formula).toMatch(/./);
  });

  it('cpu charges nothing for residency, and lambda no less than a millisecond', () => {
    const idle = { initCpuNs: 0, handlerCpuNs: 0, memoryMb: 1_024 };
    expect(price(quantitiesOf({ ...idle, phases: [0, 0, 0, 0, 0, 60_000] }), 'cpu').amount).toBe(0);
    expect(price(quantitiesOf({ ...idle, phases: [0, 0, 0, 0, 0, 0.001] }), 'lambda').amount).toBe(0.001);
    expect(gbSecondsOf(512n * 2_000_000n)).toBe(1);
  });

  it('are exact: the units of a sum are the sum of the units', () => {
    fc.assert(
      fc.property(fc.array(measured, { maxLength: 20 }), fc.constantFrom(...TARIFF_NAMES), (all, tariff) => {
        const each = all.map((one) => totalsOf(quantitiesOf(one)));
        const sum = each.reduce(addTotals, NO_TOTALS);
        const units = each.reduce((total, one) => total + scaledUnits(one, tariff), 0n);
        expect(scaledUnits(sum, tariff)).toBe(units);
      }),
    );
  });

  it('never charge less for more', () => {
    fc.assert(
      fc.property(measured, measured, fc.constantFrom(...TARIFF_NAMES), (one, other, tariff) => {
        const both = {
          initCpuNs: one.initCpuNs + other.initCpuNs,
          handlerCpuNs: one.handlerCpuNs + other.handlerCpuNs,
          memoryMb: Math.max(one.memoryMb, other.memoryMb),
          phases: one.phases.map((ms, at) => ms + (other.phases[at] ?? 0)),
        };
        expect(scaledUnits(totalsOf(quantitiesOf(both)), tariff)).toBeGreaterThanOrEqual(
          scaledUnits(totalsOf(quantitiesOf(one)), tariff),
        );
      }),
    );
  });
});

describe('quantities', () => {
  it('are whole, exact and bounded whatever was measured', () => {
    const odd = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300));
    fc.assert(
      fc.property(
        odd,
        odd,
        odd,
        fc.array(odd, { maxLength: 7 }),
        (initCpuNs, handlerCpuNs, memoryMb, phases) => {
          const used = quantitiesOf({ initCpuNs, handlerCpuNs, memoryMb, phases });
          for (const figure of Object.values(used)) {
            expect(Number.isSafeInteger(figure)).toBe(true);
            expect(figure).toBeGreaterThanOrEqual(0);
          }
          expect(used.cpuNs).toBeLessThanOrEqual(1e13);
          expect(used.memoryMbUs).toBeLessThanOrEqual(1.024e14);
        },
      ),
    );
  });
});

describe('decimals', () => {
  it('are rounded half up, at nine digits, and end without zeros', () => {
    expect(decimalText(1n, 2n)).toBe('0.5');
    expect(decimalText(1n, 3n)).toBe('0.333333333');
    expect(decimalText(5n, 10_000_000_000n)).toBe('0.000000001');
    expect(decimalText(4n, 10_000_000_000n)).toBe('0');
    expect(decimalText(10n ** 30n, 1n)).toBe(`1${'0'.repeat(30)}`);
  });
});
