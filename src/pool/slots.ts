/**
 * The one place where slots change their state: it keeps the counts, and charges the budget for what there is.
 *
 * Invariants: free + busy + starting + draining = total after every transition; what is charged is what the slots and
 * sandboxes say they are charged for, and nothing is charged once it is ending.
 */
import type { SlotCounts } from './api.ts';
import type { Budget } from './budget.ts';
import { type Sandbox, SLOT_MOVES, type Slot } from './slot.ts';

/** Sums of fractions differ a little from a recount. */
const TOLERANCE_MB = 0.01;

export class Slots {
  readonly #budget: Budget;
  readonly #counts = { free: 0, busy: 0, starting: 0, draining: 0 };
  #chargedMb = 0;
  #servingMb = 0;
  readonly #freed: (slot: Slot) => void;

  /** @param freed told of each slot that has become free or is gone: there may be more that is idle than before. */
  constructor(budget: Budget, freed: (slot: Slot) => void) {
    this.#budget = budget;
    this.#freed = freed;
  }

  /** What this pool takes of the budget. */
  get chargedMb(): number {
    return this.#chargedMb;
  }

  get servingMb(): number {
    return this.#servingMb;
  }

  /** Adds a slot, which is `starting`. */
  add(slot: Slot, memoryMb: number): void {
    slot.sandbox.slots.add(slot);
    slot.sandbox.starting += 1;
    this.#counts.starting += 1;
    this.#charge(slot, memoryMb);
  }

  /** @throws Error for a move that the table does not allow: a fault of the pool itself. */
  move(slot: Slot, to: Slot['state']): void {
    const { state: from, sandbox } = slot;
    if (!SLOT_MOVES[from].includes(to)) throw new Error(`a slot cannot move from ${from} to ${to}`);
    if (from !== 'gone') this.#counts[from] -= 1;
    if (from === 'starting') sandbox.starting -= 1;
    if (from === 'busy') this.#serve(slot, -1);
    slot.state = to;
    if (to === 'busy') this.#serve(slot, 1);
    if (to === 'draining' || to === 'gone') this.#charge(slot, -slot.chargedMb);
    if (to === 'gone') sandbox.slots.delete(slot);
    else this.#counts[to] += 1;
    if (to === 'free' || to === 'gone') this.#freed(slot);
  }

  /** A slot that is not busy takes more or less than before. */
  resize(slot: Slot, memoryMb: number): void {
    this.#charge(slot, memoryMb - slot.chargedMb);
  }

  /** A sandbox is being started. */
  open(sandbox: Sandbox, memoryMb: number): void {
    this.#charge(sandbox, memoryMb);
  }

  /** A sandbox is ending, and all that is idle in it. */
  close(sandbox: Sandbox): void {
    for (const slot of sandbox.slots) {
      if (slot.state === 'busy') this.#servingSum(-slot.chargedMb);
      this.#charge(slot, -slot.chargedMb);
    }
    if (sandbox.busy > 0) this.#servingSum(-sandbox.chargedMb);
    this.#charge(sandbox, -sandbox.chargedMb);
  }

  /** A sandbox that was nobody's has become its tenant's, and what it takes with it. */
  handOver(sandbox: Sandbox): void {
    let memoryMb = sandbox.chargedMb;
    for (const slot of sandbox.slots) memoryMb += slot.chargedMb;
    this.#budget.charge(null, -memoryMb);
    this.#budget.charge(sandbox.tenant, memoryMb);
  }

  counts(): SlotCounts {
    const { free, busy, starting, draining } = this.#counts;
    return { free, busy, starting, draining, total: free + busy + starting + draining };
  }

  /** Compares the counts and charges with what is there; returns what differs, or null. Repairs them. */
  audit(sandboxes: Iterable<Sandbox>): string | null {
    const found: string[] = [];
    const recount = { free: 0, busy: 0, starting: 0, draining: 0 };
    let chargedMb = 0;
    let servingMb = 0;
    for (const sandbox of sandboxes) {
      chargedMb += sandbox.chargedMb;
      const inside = { busy: 0, starting: 0 };
      for (const slot of sandbox.slots) {
        chargedMb += slot.chargedMb;
        if (slot.state === 'gone') {
          found.push('a slot is gone and still listed');
          sandbox.slots.delete(slot);
          continue;
        }
        recount[slot.state] += 1;
        if (slot.state === 'busy' || slot.state === 'starting') inside[slot.state] += 1;
        if (slot.state === 'busy') servingMb += slot.chargedMb;
      }
      if (inside.busy > 0) servingMb += sandbox.chargedMb;
      for (const state of ['busy', 'starting'] as const) {
        if (sandbox[state] === inside[state]) continue;
        found.push(`sandbox ${sandbox.number} ${state}: counted ${sandbox[state]}, are ${inside[state]}`);
        sandbox[state] = inside[state];
      }
    }
    for (const state of ['free', 'busy', 'starting', 'draining'] as const) {
      if (recount[state] === this.#counts[state]) continue;
      found.push(`${state}: counted ${this.#counts[state]}, are ${recount[state]}`);
      this.#counts[state] = recount[state];
    }
    if (Math.abs(chargedMb - this.#chargedMb) > TOLERANCE_MB) {
      found.push(`charged: ${this.#chargedMb.toFixed(2)} MB counted, are ${chargedMb.toFixed(2)}`);
      this.#budget.charge(null, chargedMb - this.#chargedMb);
      this.#chargedMb = chargedMb;
    }
    if (Math.abs(servingMb - this.#servingMb) > TOLERANCE_MB) {
      found.push(`serving: ${this.#servingMb.toFixed(2)} MB counted, are ${servingMb.toFixed(2)}`);
      this.#servingSum(servingMb - this.#servingMb);
    }
    return found.length === 0 ? null : found.join('; ');
  }

  #serve(slot: Slot, by: 1 | -1): void {
    const { sandbox } = slot;
    const before = sandbox.busy;
    sandbox.busy += by;
    // The carrier serves as long as anything in it does.
    const carrierToo = before === 0 || sandbox.busy === 0;
    this.#servingSum(by * (slot.chargedMb + (carrierToo ? sandbox.chargedMb : 0)));
  }

  #servingSum(memoryMb: number): void {
    this.#servingMb += memoryMb;
    this.#budget.serve(memoryMb);
  }

  #charge(what: Slot | Sandbox, memoryMb: number): void {
    if (memoryMb === 0) return;
    what.chargedMb += memoryMb;
    this.#chargedMb += memoryMb;
    this.#budget.charge('tenant' in what ? what.tenant : what.sandbox.tenant, memoryMb);
  }
}
