import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Turn, Turns } from './turns.ts';

interface Named extends Turn {
  readonly id: number;
}

const entry = (id: number, tenant: string, priority: 0 | 1): Named => ({
  ...{ id, tenant, priority, row: null, before: null, after: null },
});

/** The same order by looking through a list. */
class Model {
  entries: Named[] = [];
  /** By priority, whose turn is next first. */
  readonly rings: [string[], string[]] = [[], []];

  of(tenant: string, priority: 0 | 1): Named[] {
    return this.entries.filter((one) => one.tenant === tenant && one.priority === priority);
  }

  add(one: Named): void {
    const ring = this.rings[one.priority];
    if (!ring.includes(one.tenant)) ring.push(one.tenant);
    this.entries.push(one);
  }

  remove(one: Named): void {
    this.entries = this.entries.filter((other) => other !== one);
    const ring = this.rings[one.priority];
    if (this.of(one.tenant, one.priority).length === 0) ring.splice(ring.indexOf(one.tenant), 1);
  }

  take(): Named | undefined {
    const priority = this.rings[1].length > 0 ? 1 : 0;
    const [tenant] = this.rings[priority];
    if (tenant === undefined) return undefined;
    const [first] = this.of(tenant, priority);
    if (first === undefined) return undefined;
    this.remove(first);
    if (this.rings[priority][0] === tenant) this.rings[priority].push(this.rings[priority].shift() ?? '');
    return first;
  }

  /** How many the one has that would give way; null when nobody would. */
  weakest(tenant: string, priority: 0 | 1): number | null {
    const most = (level: 0 | 1) =>
      Math.max(0, ...this.rings[level].map((name) => this.of(name, level).length));
    if (priority === 1 && most(0) > 0) return most(0);
    return most(priority) > this.of(tenant, priority).length + 1 ? most(priority) : null;
  }
}

it('orders as a list that is looked through, whoever comes and goes', () => {
  const step = fc.record({
    act: fc.constantFrom('add', 'add', 'take', 'remove', 'weakest'),
    tenant: fc.constantFrom('a', 'b', 'c', 'd'),
    priority: fc.constantFrom(0 as const, 1 as const),
    pick: fc.nat(1_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const turns = new Turns<Named>();
      const model = new Model();
      for (const [id, { act, tenant, priority, pick }] of steps.entries()) {
        if (act === 'add') {
          const one = entry(id, tenant, priority);
          turns.add(one);
          model.add(one);
        } else if (act === 'take') {
          expect(turns.take()).toBe(model.take());
        } else if (act === 'remove') {
          const one = model.entries[pick % model.entries.length];
          if (one === undefined) continue;
          model.remove(one);
          expect([turns.remove(one), turns.remove(one)]).toEqual([true, false]);
        } else {
          const weakest = turns.weakest(tenant, priority);
          const expected = model.weakest(tenant, priority);
          const own = weakest === null ? [] : model.of(weakest.tenant, weakest.priority);
          expect(weakest === null ? null : own.length).toBe(expected);
          expect(own.at(-1) ?? null).toBe(weakest);
        }
        expect(turns.size).toBe(model.entries.length);
      }
    }),
    { numRuns: 1_000, seed: 20_261_121 },
  );
});
