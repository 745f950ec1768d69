import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fcUnits, gbSeconds, price, type TariffName, type Usage } from './tariffs.ts';

const USAGE: Usage = { cpuNs: 500_000_000, wallNs: 1_500_000_001, memoryMb: 512 };

describe('tariffs', () => {
  it('give the published example: 3 M calls × 200 ms × 0.25 vCPU × 0.5 GB are 217,500 CU', () => {
    const calls = 3_000_000;
    const seconds = calls * 0.2;
    expect(fcUnits(calls, seconds * 0.25, seconds * 0.5)).toBeCloseTo(217_500, 6);
  });

  it('give the same example call by call', () => {
    const usage: Usage = { cpuNs: 0.25 * 200 * 1e6, wallNs: 200 * 1e6, memoryMb: 512 };
    expect(price(usage, 'fc-2024').amount * 3_000_000).toBeCloseTo(217_500, 4);
  });

  it.each<[TariffName, number]>([
    ['cpu', 0.5],
    ['workers', 500],
    ['lambda', 1.501 * 0.5],
    ['fc-2024', 0.0075 + 0.5 + 0.15 * 0.5 * 1.500000001],
  ])('%s prices one invocation', (tariff, amount) => {
    const priced = price(USAGE, tariff);
    expect(priced.amount).toBeCloseTo(amount, 9);
    expect(priced.tariff).toBe(tariff);
    expect(priced.formula).toMatch(/./);
  });

  it('cpu charges nothing for residency, and lambda no less than a millisecond', () => {
    expect(price({ cpuNs: 0, wallNs: 60e9, memoryMb: 1024 }, 'cpu').amount).toBe(0);
    expect(price({ cpuNs: 0, wallNs: 1, memoryMb: 1024 }, 'lambda').amount).toBe(0.001);
    expect(gbSeconds({ cpuNs: 0, wallNs: 2e9, memoryMb: 512 })).toBe(1);
  });

  it('never charge less for more', () => {
    const usage = fc.record({
      cpuNs: fc.nat(),
      wallNs: fc.nat(),
      memoryMb: fc.integer({ min: 16, max: 1_024 }),
    });
    const tariff = fc.constantFrom<TariffName>('cpu', 'fc-2024', 'lambda', 'workers');
    fc.assert(
      fc.property(usage, usage, tariff, (one, other, name) => {
        const more = {
          cpuNs: one.cpuNs + other.cpuNs,
          wallNs: one.wallNs + other.wallNs,
          memoryMb: Math.max(one.memoryMb, other.memoryMb),
        };
        expect(price(more, name).amount).toBeGreaterThanOrEqual(price(one, name).amount);
      }),
    );
  });
});
