/**
 * Who waits for an instance: by function, and the tenants in turn.
 *
 * Owns the lines. The oldest of a function goes first; of several functions, tenants take turns, and so do the functions
 * of a tenant: whoever floods waits behind itself alone. Invariant: a waiter is in one line until it is taken out of it,
 * once, and every line that is listed has somebody in it or a start under way.
 */
import { Chain, type Link } from '../core/chain.ts';
import type { StrataError } from '../core/errors.ts';
import type { Lease } from '../pool/lease.ts';
import type { Placement } from '../pool/slot.ts';
import type { Timer } from '../ports/clock.ts';

export interface Waiter {
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: StrataError) => void;
  readonly timer: Timer;
  /** A start that was made for it has failed once already. */
  disappointed: boolean;
}

/** The waiters of one function, the oldest first, and the starts that are expected to serve them. */
export interface Line extends Link {
  readonly placement: Placement;
  readonly waiters: Set<Waiter>;
  /** Starts under way: each is counted from the moment it is asked for until it is told about, once. */
  starting: number;
  /** When somebody left the line with a lease last, and how long it took on average between two. */
  servedMs: number | null;
  intervalMs: number | null;
}

/** The lines of one tenant in which somebody waits, in the order of their turns; itself a link in the order of tenants. */
interface TenantLines extends Link {
  readonly tenant: string;
  readonly lines: Chain<Line>;
}

/** How much one more measurement moves the average. */
const WEIGHT = 0.2;

export class Waiting {
  readonly #lines = new Map<string, Line>();
  readonly #tenants = new Map<string, TenantLines>();
  /** Whoever had its turn goes to the end. */
  readonly #turns = new Chain<TenantLines>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get size(): number {
    return this.#lines.size;
  }

  get lines(): Iterable<Line> {
    return this.#lines.values();
  }

  get tenants(): number {
    return this.#tenants.size;
  }

  /** Whether anybody but this tenant waits. */
  isAnyOther(tenant: string): boolean {
    return this.#tenants.size > (this.#tenants.has(tenant) ? 1 : 0);
  }

  find(key: string): Line | undefined {
    return this.#lines.get(key);
  }

  of(placement: Placement): Line {
    let line = this.#lines.get(placement.key);
    if (line === undefined) {
      line = {
        ...{ placement, waiters: new Set(), starting: 0, servedMs: null, intervalMs: null },
        ...{ before: null, after: null },
      };
      this.#lines.set(placement.key, line);
    }
    return line;
  }

  join(line: Line, waiter: Waiter): void {
    line.waiters.add(waiter);
    this.#count += 1;
    if (line.waiters.size === 1) this.#beginTurns(line);
  }

  /** @returns false when the waiter had left before. */
  leave(line: Line, waiter: Waiter): boolean {
    if (!line.waiters.delete(waiter)) return false;
    this.#count -= 1;
    waiter.timer.cancel();
    if (line.waiters.size === 0) this.#endTurns(line);
    this.dropIfIdle(line);
    return true;
  }

  /** Somebody of the line has got a lease. */
  served(line: Line, nowMs: number): void {
    if (line.servedMs !== null) {
      const tookMs = nowMs - line.servedMs;
      line.intervalMs =
        line.intervalMs === null ? tookMs : line.intervalMs + (tookMs - line.intervalMs) * WEIGHT;
    }
    line.servedMs = nowMs;
  }

  /** Forgets a line that nobody is in and for which nothing starts. */
  dropIfIdle(line: Line): void {
    if (line.waiters.size === 0 && line.starting === 0 && this.#lines.get(line.placement.key) === line)
      this.#lines.delete(line.placement.key);
  }

  /**
   * The next lines, at most so many: tenants in turn, and the lines of each in turn. Whoever is given has had its turn.
   */
  *turns(most: number): Generator<Line> {
    const count = Math.min(most, this.#lines.size);
    for (let taken = 0; taken < count; taken += 1) {
      const tenant = this.#turns.first;
      const line = tenant?.lines.first ?? null;
      if (tenant === null || line === null) return;
      this.#turns.rotate();
      tenant.lines.rotate();
      yield line;
    }
  }

  #beginTurns(line: Line): void {
    const { tenant } = line.placement;
    let turns = this.#tenants.get(tenant);
    if (turns === undefined) {
      turns = { tenant, lines: new Chain(), before: null, after: null };
      this.#tenants.set(tenant, turns);
      this.#turns.push(turns);
    }
    turns.lines.push(line);
  }

  #endTurns(line: Line): void {
    const turns = this.#tenants.get(line.placement.tenant);
    if (turns === undefined) return;
    turns.lines.remove(line);
    if (turns.lines.size > 0) return;
    this.#tenants.delete(turns.tenant);
    this.#turns.remove(turns);
  }
}
