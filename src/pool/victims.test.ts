import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import { Budget, goesBefore, type Held, type Victim } from './budget.ts';
import { DEFAULT_COSTS, RuntimeCosts } from './costs.ts';
import { patient, place } from './fixture.ts';
import { type FunctionState, Functions } from './functions.ts';
import { ReadySlots } from './ready-slots.ts';
import { Sandboxes } from './sandboxes.ts';
import { isAtRest, isEmpty, type Sandbox, type Slot, startingSandbox, startingSlot } from './slot.ts';
import { Slots } from './slots.ts';
import { Victims } from './victims.ts';

const TENANTS = ['a', 'b', 'c', 'd'];
const CAPACITY = 3;
const SANDBOXES_MAX = 12;
const OLD_MS = 2_000;

type MayEnd = (one: Held) => boolean;

/** Sandboxes and slots that come, are used and go at random, without a tier below them. */
class World {
  readonly clock = new ManualClock();
  readonly sandboxes = new Sandboxes();
  readonly functions = new Functions();
  readonly slots: Slots;
  readonly victims: Victims;
  readonly #ready = new ReadySlots((memoryMb) => memoryMb);
  readonly #fraction: () => number;
  #made = 0;

  constructor(seed: number) {
    this.#fraction = seededRandom(seed).fraction;
    const { clock, sandboxes } = this;
    const budget = new Budget({ clock, memoryMb: 1, reservePercent: 0 });
    this.slots = new Slots(budget, (slot) => this.victims.freed(slot));
    const lifecycle = {
      sandboxes,
      end: (sandbox: Sandbox) => this.end(sandbox),
      drain: (slot: Slot) => this.drain(slot),
    };
    const costs = new RuntimeCosts(DEFAULT_COSTS.isolate, CAPACITY, () => 0);
    const policy = { ...patient, worth: ({ memoryMb }: { memoryMb: number }) => worthOf(memoryMb) };
    this.victims = new Victims({ clock, policy, lifecycle, costs, budget });
  }

  below(count: number): number {
    return Math.floor(this.#fraction() * count);
  }

  one<T>(all: Iterable<T>): T | undefined {
    const list = [...all];
    return list[this.below(list.length)];
  }

  all(state: Slot['state']): Slot[] {
    return [...this.sandboxes.all].flatMap(({ slots }) => [...slots].filter((slot) => slot.state === state));
  }

  /** One of the things that happen in a pool. */
  async step(): Promise<void> {
    await this.clock.advance(1 + this.below(20));
    const free = this.one(this.all('free'));
    const busy = this.one(this.all('busy'));
    const what = this.below(10);
    if (what < 3) this.#boot();
    else if (what < 5 && free !== undefined) this.#take(free);
    else if (what < 8 && busy !== undefined) this.#giveBack(busy);
    else if (what === 8 && free !== undefined) this.drain(free);
  }

  /** As a placement does while it makes room for what it has chosen, and then may do without it after all. */
  holding<T>(work: () => T): T {
    const held = this.all('free').filter(() => this.below(4) === 0);
    for (const slot of held) this.#ready.remove(slot);
    const done = work();
    for (const slot of held) this.#ready.add(slot);
    return done;
  }

  end(sandbox: Sandbox): void {
    sandbox.state = 'ending';
    this.sandboxes.remove(sandbox);
    this.slots.close(sandbox);
    for (const slot of [...sandbox.slots]) this.#remove(slot, 'gone');
    sandbox.state = 'gone';
  }

  drain(slot: Slot): void {
    this.#remove(slot, 'draining');
    this.slots.move(slot, 'gone');
  }

  #boot(): void {
    const known = this.one([...this.sandboxes.all].filter(({ slots, capacity }) => slots.size < capacity));
    const sandbox = known === undefined || this.below(3) === 0 ? this.#provision() : known;
    if (sandbox === undefined) return;
    const slot = startingSlot(sandbox, 128, null, this.clock.nowMs());
    this.#made += 1;
    this.slots.add(slot, this.#made);
    this.slots.move(slot, 'free');
    this.#ready.add(slot);
  }

  #provision(): Sandbox | undefined {
    if (this.sandboxes.all.size >= SANDBOXES_MAX) return undefined;
    this.#made += 1;
    const sandbox = startingSandbox(this.#made, CAPACITY, 128, this.clock.nowMs());
    this.sandboxes.add(sandbox);
    this.slots.open(sandbox, this.#made);
    const tenant = this.one([...TENANTS, null]) ?? null;
    if (tenant !== null) {
      this.sandboxes.claim(sandbox, tenant);
      this.slots.handOver(sandbox);
    }
    sandbox.state = 'ready';
    this.victims.freed(sandbox);
    return sandbox;
  }

  #take(slot: Slot): void {
    const { sandbox } = slot;
    const tenant = sandbox.tenant ?? this.one(TENANTS) ?? 'a';
    if (sandbox.tenant === null) {
      this.sandboxes.claim(sandbox, tenant);
      this.slots.handOver(sandbox);
    }
    this.#ready.remove(slot);
    if (slot.layer === 'runtime') {
      const at = this.below(3);
      slot.placement = place(`f${at}`, { tenant, minInstances: at });
      slot.owner = this.functions.of(slot.placement);
      slot.owner.slots.add(slot);
      slot.layer = 'code';
    }
    this.slots.move(slot, 'busy');
    this.#used(slot);
  }

  #giveBack(slot: Slot): void {
    this.slots.move(slot, 'free');
    this.#ready.add(slot);
    this.#used(slot);
  }

  #used(slot: Slot): void {
    slot.usedMs = this.clock.nowMs();
    slot.sandbox.usedMs = slot.usedMs;
  }

  #remove(slot: Slot, to: 'draining' | 'gone'): void {
    this.#ready.remove(slot);
    this.slots.move(slot, to);
    slot.owner?.slots.delete(slot);
  }
}

/** No two are worth the same, and what is larger is not worth more. */
const worthOf = (memoryMb: number): number => (memoryMb * Math.SQRT2) % 1;

interface Entry {
  readonly what: Slot | Sandbox;
  readonly usedMs: number;
  readonly worth: number;
  readonly provisioned: boolean;
  readonly holder: string | null;
}

/** What `Victims` promises, done the slow way: one list, sorted anew for each question. */
class Naive {
  readonly #world: World;
  #entries: Entry[] = [];
  #madeMs: number | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  make(): void {
    this.#entries = idleIn(this.#world);
    this.#madeMs = this.#world.clock.nowMs();
  }

  cheapest(mayEnd: MayEnd): Entry | null {
    if (this.#madeMs === null || this.#world.clock.nowMs() - this.#madeMs >= OLD_MS) this.make();
    const found = this.#first(mayEnd);
    if (found !== null) return found;
    for (const entry of idleIn(this.#world))
      if (!this.#entries.some((known) => isSame(known, entry))) this.#entries.push(entry);
    return this.#first(mayEnd);
  }

  #first(mayEnd: MayEnd): Entry | null {
    const now = idleIn(this.#world).filter(({ what }) => !isHeld(what));
    const there = this.#entries.filter((entry) => mayEnd(entry) && now.some((one) => isThere(entry, one)));
    const [first] = there.sort((one, other) => (goesBefore(one, other) ? -1 : 1));
    return first ?? null;
  }
}

const isThere = (one: Entry, other: Entry): boolean => one.what === other.what && one.usedMs === other.usedMs;
const isSame = (one: Entry, other: Entry): boolean => isThere(one, other) && one.worth === other.worth;

const idleIn = ({ sandboxes }: World): Entry[] =>
  [...sandboxes.all].flatMap((sandbox) => {
    const code = [...sandbox.slots].flatMap((slot) =>
      slot.state === 'free' && slot.owner !== null ? [codeOf(slot, slot.owner)] : [],
    );
    return isEmpty(sandbox) ? [...code, emptyOf(sandbox)] : code;
  });

const isHeld = (what: Slot | Sandbox): boolean =>
  'sandbox' in what ? what.listed === null : [...what.slots].some(({ listed }) => listed === null);

const codeOf = (slot: Slot, { slots, placement }: FunctionState): Entry => {
  // Whatever is at work counts first towards what a function is to have, then what was used last.
  const before = [...slots].filter((other) => other.state !== 'free' || other.usedMs > slot.usedMs);
  const { usedMs, chargedMb, sandbox } = slot;
  const provisioned = before.length < placement.minInstances;
  return { what: slot, usedMs, worth: worthOf(chargedMb), provisioned, holder: sandbox.tenant };
};

const emptyOf = (sandbox: Sandbox): Entry => ({
  ...{ what: sandbox, usedMs: sandbox.usedMs, worth: worthOf(takenBy(sandbox)) },
  ...{ provisioned: false, holder: sandbox.tenant },
});

const takenBy = (sandbox: Sandbox): number =>
  [...sandbox.slots].reduce((sum, { chargedMb }) => sum + chargedMb, sandbox.chargedMb);

/** What ending it frees: its sandbox goes with the last that is in it. */
const freedBy = ({ what }: Entry): number => {
  if (!('sandbox' in what)) return takenBy(what);
  const { sandbox, chargedMb } = what;
  return sandbox.slots.size === 1 && isAtRest(sandbox) ? takenBy(sandbox) : chargedMb;
};

const shown = (victim: Pick<Victim, 'worth' | 'provisioned' | 'memoryMb'> | null) =>
  victim === null
    ? null
    : { worth: victim.worth, provisioned: victim.provisioned, memoryMb: victim.memoryMb };

/** As the rules of fairness ask: of anybody, of some holders, and of these only what was not asked for. */
const wishIn = (world: World): MayEnd => {
  const holders = new Set([...TENANTS, null].filter(() => world.below(3) > 0));
  const spares = world.below(2) === 0;
  return ({ holder, provisioned }) => holders.has(holder) && !(spares && provisioned);
};

/** Asks both for what goes first. */
const ask = (world: World, naive: Naive): Victim | null => {
  const mayEnd = wishIn(world);
  const victim = world.victims.cheapest(mayEnd);
  const expected = naive.cheapest(mayEnd);
  expect(shown(victim)).toEqual(
    expected === null ? null : shown({ ...expected, memoryMb: freedBy(expected) }),
  );
  return victim;
};

describe('the victims', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'are those of one list that is sorted for each question, seed %i',
    async (seed) => {
      const world = new World(seed);
      const naive = new Naive(world);
      let ended = 0;
      for (let step = 0; step < 2_000; step += 1) {
        await world.step();
        if (world.below(60) === 0) {
          world.victims.sweep();
          naive.make();
        }
        for (let asked = world.below(4); asked > 0; asked -= 1) {
          if (world.below(4) === 0) {
            world.holding(() => ask(world, naive));
            continue;
          }
          const victim = ask(world, naive);
          if (victim === null || world.below(3) > 0) continue;
          victim.end();
          ended += 1;
        }
      }
      expect(ended).toBeGreaterThan(200);
    },
  );
});
