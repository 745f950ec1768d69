/**
 * A steady, seeded mix of requests in closed loops, and the account of what became of each.
 *
 * Owns the clients: each has one request open and then waits for its next turn, so that the rate is the clients' as long
 * as the server keeps up, and can be compared. Invariant: every request that was sent is in the account once.
 */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tier } from '../../src/core/spec.ts';
import { type Chance, seededChance } from '../../src/simulator/chance.ts';
import { ask, type Verdict } from './client.ts';
import { type Kind, TENANTS } from './kinds.ts';
import { Rates } from './rates.ts';

export interface Pace {
  readonly clients: number;
  /** From one request of a client to its next; 0 for as fast as it goes. */
  readonly periodMs: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly seed: number;
  readonly kinds: readonly Kind[];
  readonly pace: Partial<Readonly<Record<Tier, Pace>>>;
  /** After so many requests of a tier its clients end; never unless told. */
  readonly most?: Partial<Readonly<Record<Tier, number>>>;
  /** Told about every answer with its latency. */
  readonly onAnswer?: (tier: Tier, verdict: Verdict, latencyMs: number) => void;
}

/** What became of the requests of a tier. */
export interface Account {
  sent: number;
  right: number;
  cut: number;
  readonly errors: Map<string, number>;
  readonly wrong: string[];
}

/** An answer that the server's own books have to agree with. */
export interface Receipted {
  readonly id: string;
  readonly tenant: string;
  readonly code: string;
}

const REASON_MAX_CHARS = 1_000;
/** Of the right ones, the first are held against their receipts; of the others all are. */
const RECEIPTS_KEPT = 40;
const ERRORS_KEPT = 400;

export class Load {
  readonly accounts: Readonly<Record<Tier, Account>> = { isolate: newAccount(), container: newAccount() };
  readonly receipted: Receipted[] = [];
  /** Requests that a fault made beside the load: the server may have settled them or not. */
  outside = 0;
  readonly #options: LoadOptions;
  readonly #rates: Readonly<Record<Tier, Rates>>;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #clients: Promise<void>[] = [];
  readonly #ids = new Set<string>();
  readonly #waiting = new Set<{ left: number; readonly tier: Tier | null; readonly resolve: () => void }>();
  #number = 0;
  #rightKept = 0;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    const startMs = performance.now();
    this.#rates = { isolate: new Rates(startMs), container: new Rates(startMs) };
    for (const tier of this.tiers) {
      const pace = options.pace[tier];
      for (let at = 0; pace !== undefined && at < pace.clients; at += 1) {
        const chance = seededChance(options.seed * 1_000 + this.#clients.length);
        this.#clients.push(this.#run(tier, pace, at, chance));
      }
    }
  }

  get tiers(): readonly Tier[] {
    return (['isolate', 'container'] as const).filter((tier) => this.#options.pace[tier] !== undefined);
  }

  rates(tier: Tier): Rates {
    return this.#rates[tier];
  }

  /** After so many more answers, right or not: of one tier, or of both. */
  answers(count: number, tier: Tier | null = null): Promise<void> {
    return new Promise((resolve) => this.#waiting.add({ left: count, tier, resolve }));
  }

  /** What the clients would get from a server that answers at once. */
  offered(tier: Tier): number {
    const { clients = 0, periodMs = 0 } = this.#options.pace[tier] ?? {};
    return (clients * 1_000) / periodMs;
  }

  /** After the last answer, where the number of requests is bounded. */
  async finished(): Promise<void> {
    await Promise.all(this.#clients);
    await this.stop();
  }

  /** Lets every client have its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
    for (const { resolve } of this.#waiting) resolve();
  }

  async #run(tier: Tier, { clients, periodMs }: Pace, at: number, chance: Chance): Promise<void> {
    const kinds = this.#options.kinds.filter((kind) => kind.tier === tier);
    const weighted = kinds.map((kind) => [kind, kind.weight] as const);
    const most = this.#options.most?.[tier] ?? Number.POSITIVE_INFINITY;
    let dueMs = performance.now() + (periodMs * at) / clients;
    while (!this.#stopped && this.accounts[tier].sent < most) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      if (this.#stopped) return;
      // What was missed is not made up for: the load is steady.
      dueMs = Math.max(dueMs + periodMs, performance.now() - periodMs);
      await this.#one(tier, chance.pick(weighted), chance);
    }
  }

  async #one(tier: Tier, kind: Kind, chance: Chance): Promise<void> {
    const tenant = TENANTS[chance.below(TENANTS.length)] ?? TENANTS[0];
    this.#number += 1;
    const event = kind.event(this.#number, chance);
    const account = this.accounts[tier];
    account.sent += 1;
    const sentMs = performance.now();
    const verdict = await ask({ url: this.#options.url, agent: this.#agent, kind, tenant, event });
    const nowMs = performance.now();
    this.#book(tier, tenant, verdict, nowMs);
    this.#options.onAnswer?.(tier, verdict, nowMs - sentMs);
    for (const waiter of this.#waiting) {
      if (waiter.tier !== null && waiter.tier !== tier) continue;
      waiter.left -= 1;
      if (waiter.left > 0) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  #book(tier: Tier, tenant: string, verdict: Verdict, nowMs: number): void {
    const account = this.accounts[tier];
    const wrong = (reason: string): void => {
      account.wrong.push(reason.slice(0, REASON_MAX_CHARS));
    };
    if (verdict.as === 'wrong') {
      wrong(verdict.reason);
      return;
    }
    if (verdict.as === 'cut') {
      account.cut += 1;
      return;
    }
    const { id, code } = verdict;
    if (this.#ids.has(id)) {
      wrong(`a second answer with the id ${id}`);
      return;
    }
    this.#ids.add(id);
    if (verdict.as === 'right') {
      account.right += 1;
      this.#rates[tier].count(nowMs);
      this.#rightKept += 1;
      if (this.#rightKept <= RECEIPTS_KEPT) this.receipted.push({ id, tenant, code });
      return;
    }
    account.errors.set(code, (account.errors.get(code) ?? 0) + 1);
    if (this.receipted.length < ERRORS_KEPT) this.receipted.push({ id, tenant, code });
  }
}

const newAccount = (): Account => ({ sent: 0, right: 0, cut: 0, errors: new Map(), wrong: [] });
