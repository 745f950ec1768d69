import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../core/spec.ts';
import { Holdings } from './holdings.ts';

const record = (id: string, codeBytes: number, tenant = 'a'): FunctionRecord =>
  ({ id, tenant, name: id, codeBytes }) as FunctionRecord;

const held = (maxFunctions = 2, maxCodeBytes = 100): Holdings =>
  new Holdings({ quotasOf: () => ({ maxFunctions, maxCodeBytes }), refuseTenant: () => {} });

describe('what a tenant holds', () => {
  it('is bounded in functions, those being stored included', () => {
    const holdings = held();
    const settle = holdings.accept(record('f', 1));
    holdings.accept(record('g', 1))(true);
    expect(() => holdings.accept(record('h', 1))).toThrow(
      expect.objectContaining({
        code: 'quota_exceeded',
        limit: { kind: 'maxFunctions', configured: 2, observed: 3 },
      }),
    );
    settle(false);
    holdings.accept(record('h', 1))(true);
    expect(holdings.of('a')).toEqual({ functions: 2, codeBytes: 2 });
  });

  it('is bounded in code, by what an update adds; less is always taken', () => {
    const holdings = held(9, 100);
    holdings.keep(record('old', 150));
    expect(() => holdings.accept(record('f', 1))).toThrow(
      expect.objectContaining({ limit: { kind: 'maxCodeBytes', configured: 100, observed: 151 } }),
    );
    holdings.accept(record('old', 120))(true);
    holdings.accept(record('old', 40))(true);
    holdings.accept(record('f', 60))(true);
    expect(holdings.of('a')).toEqual({ functions: 2, codeBytes: 100 });
  });

  it('counts the larger size while an update is stored, and the former one when it was not', () => {
    const holdings = held();
    holdings.keep(record('f', 50));
    const settle = holdings.accept(record('f', 80));
    expect(holdings.of('a').codeBytes).toBe(80);
    settle(false);
    expect(holdings.of('a').codeBytes).toBe(50);
  });

  it('is bounded in code with all versions, of which those with the same code count once', () => {
    const holdings = held(9, 100);
    const code = (version: string, codeDigest: string): FunctionRecord =>
      ({ ...record('f', 40), version, codeDigest }) as FunctionRecord;
    holdings.accept(code('$LATEST', 'one'))(true);
    holdings.accept(code('1', 'one'))(true);
    expect(holdings.of('a')).toEqual({ functions: 1, codeBytes: 40 });
    holdings.accept(code('$LATEST', 'two'))(true);
    holdings.accept(code('2', 'two'))(true);
    expect(holdings.of('a').codeBytes).toBe(80);
    expect(() => holdings.accept(code('$LATEST', 'three'))).toThrow(
      expect.objectContaining({ limit: { kind: 'maxCodeBytes', configured: 100, observed: 120 } }),
    );
    holdings.dropVersion(code('1', 'one'));
    expect(holdings.of('a').codeBytes).toBe(40);
    holdings.accept(code('$LATEST', 'three'))(true);
    holdings.drop(record('f', 0));
    expect(holdings.of('a')).toEqual({ functions: 0, codeBytes: 0 });
  });

  it('is given back by deleting, and a function made anew is another', () => {
    const holdings = held(1);
    holdings.keep(record('f-1', 5));
    holdings.drop(record('f-1', 5));
    holdings.accept(record('f-2', 7))(true);
    holdings.drop(record('f-1', 5));
    expect(holdings.of('a')).toEqual({ functions: 1, codeBytes: 7 });
    expect(holdings.of('b')).toEqual({ functions: 0, codeBytes: 0 });
  });
});
