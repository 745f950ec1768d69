import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../core/spec.ts';
import type { Registry } from '../registry/api.ts';
import { Provisions } from './provisions.ts';

const open = () => new Provisions({ budgetMb: 4_000, percentPerTenant: 25 });

const record = (id: string, minInstances: number, tenant = 't', memoryMb = 100) =>
  ({ id, tenant, name: id, version: '$LATEST', minInstances, memoryMb }) as FunctionRecord;

describe('what a tenant may have provisioned', () => {
  it('is refused beyond its share of the memory, with the value and the limit', () => {
    const provisions = open();
    provisions.accept(record('f', 8))(true);
    expect(() => provisions.accept(record('g', 3))).toThrow(
      expect.objectContaining({
        code: 'conflict',
        message:
          "minInstances of 3 with a memoryMb of 100 would bring what the tenant's functions keep ready to 1100 MB; a " +
          'tenant may have 1000 MB, which is admission.maxProvisionedPercent, 25, of the 4000 MB that all sandboxes may ' +
          'take. Ask for fewer, here or for another function.',
      }),
    );
    provisions.accept(record('g', 2))(true);
    expect(provisions.ofTenant('t')).toBe(1_000);
    provisions.accept(record('h', 10, 'another'))(true);
  });

  it('is given back when a deployment is not stored, asks for less, or is deleted', () => {
    const provisions = open();
    provisions.accept(record('f', 8))(true);
    const lowering = provisions.accept(record('f', 1));
    expect(() => provisions.accept(record('g', 5))).toThrow(/1300 MB/);
    lowering(false);
    expect(provisions.ofTenant('t')).toBe(800);
    provisions.accept(record('f', 10))(false);
    expect(provisions.ofTenant('t')).toBe(800);
    provisions.accept(record('f', 1))(true);
    provisions.accept(record('g', 9))(true);
    provisions.drop(record('f', 1));
    provisions.drop(record('g', 9));
    expect(provisions.ofTenant('t')).toBe(0);
  });

  it('stays where the limit was lowered since, may be lowered, and leaves no room for more', () => {
    const provisions = open();
    const registry = { kept: () => [record('f', 30), record('h', 0)] } as unknown as Registry;
    provisions.keepStored(registry, pino({ level: 'silent' }));
    expect(provisions.ofTenant('t')).toBe(3_000);
    expect(() => provisions.accept(record('h', 1))).toThrow(/3100 MB/);
    provisions.accept(record('f', 20))(true);
    expect(provisions.ofTenant('t')).toBe(2_000);
  });

  it('may be moved from version to version, and is refused only what comes to more than before', () => {
    const provisions = open();
    const version = (number: string, minInstances: number) => ({
      ...record('f', minInstances),
      version: number,
    });
    const [one, two, three] = [version('1', 8), version('2', 8), version('3', 12)];
    provisions.acceptPointing({ joined: [one], left: [] })(true);
    const moving = provisions.acceptPointing({ joined: [two], left: [one] });
    expect(provisions.ofTenant('t')).toBe(800);
    moving(false);
    provisions.acceptPointing({ joined: [two], left: [one] })(true);
    expect(() => provisions.acceptPointing({ joined: [one], left: [] })).toThrow(/1600 MB/);
    expect(() => provisions.acceptPointing({ joined: [three], left: [two] })).toThrow(/1200 MB/);
    const growing = provisions.acceptPointing({ joined: [version('4', 10)], left: [two] });
    // What it is to have more is held while it is stored.
    expect(() => provisions.accept(record('g', 1))).toThrow(/1100 MB/);
    growing(false);
    expect(provisions.ofTenant('t')).toBe(800);
    provisions.acceptPointing({ joined: [], left: [two] })(true);
    expect(provisions.ofTenant('t')).toBe(0);
  });
});
