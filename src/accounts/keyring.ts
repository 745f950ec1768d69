/**
 * The keys of all tenants, in memory for every request and in the store for keeps.
 *
 * Owns which key holds: made, expired, revoked, replaced. Never keeps a key, only its digest. Invariants: a change is on
 * the disk before it counts, and counts for the next request; a key that does not hold is told from one that never was
 * by nothing; when it was last used is written once a minute at the most, however often it is.
 */
import { StrataError } from '../core/errors.ts';
import type { Identity, Scope } from '../core/identity.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { KeyInput, KeyView } from './api.ts';
import { checkKey } from './inputs.ts';
import { digestOf, idIn, isSame, makeKey, prefixOf } from './key-text.ts';
import type { SteadyTime } from './steady-time.ts';
import type { AccountStore, KeyRow } from './store.ts';

/** A key as requests meet it; its times are written by the keyring and the signatures. */
export interface HeldKey {
  row: KeyRow;
  /** Who comes with it; made once, because every request needs it. */
  readonly identity: Identity;
  lastUsedMs: number | null;
  /** No signed request dated up to here is taken. */
  readonly signedFloorMs: number;
  /** The newest date that was taken, and the one up to which the store says so. */
  signedUntilMs: number;
  storedUntilMs: number;
  isDirty: boolean;
}

export interface KeyringOptions {
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly random: Random;
  readonly store: AccountStore;
  /** Told of what a timer could not write. */
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** Keys of one tenant that are kept, those that do not hold any more included. */
const KEYS_MAX = 1_000;
const USE_INTERVAL_MS = 60_000;
/** How far ahead of the newest date the store is told that dates were taken: one write in so long for each key. */
const SIGNED_STEP_MS = 5_000;
const NO_DIGEST = new Uint8Array(32);

export class Keyring {
  readonly #options: KeyringOptions;
  readonly #keys = new Map<string, HeldKey>();
  readonly #byTenant = new Map<string, Map<string, HeldKey>>();
  readonly #dirty = new Set<HeldKey>();
  #timer: Timer | null = null;

  constructor(options: KeyringOptions) {
    this.#options = options;
    for (const row of options.store.keys()) this.#hold(row);
  }

  /** The key with this text, if it holds now. Costs one SHA-256, whether or not there is such a key. */
  find(text: string): HeldKey | null {
    const id = idIn(text);
    const held = id === null ? undefined : this.#keys.get(id);
    const same = isSame(digestOf(text), held?.row.digest ?? NO_DIGEST);
    return held !== undefined && same && this.#holds(held.row) ? held : null;
  }

  /** The key with this id, if it may sign now. */
  signer(id: string): HeldKey | null {
    const held = this.#keys.get(id);
    return held?.row.signing && this.#holds(held.row) ? held : null;
  }

  used(held: HeldKey): void {
    const nowMs = this.#options.time.nowMs();
    if (held.lastUsedMs !== null && nowMs - held.lastUsedMs < USE_INTERVAL_MS) return;
    held.lastUsedMs = nowMs;
    this.#soil(held);
  }

  /** A signed request of this date is about to be taken. @throws StrataError when that cannot be written. */
  signed(held: HeldKey, dateMs: number): void {
    if (dateMs > held.storedUntilMs) {
      const storedUntilMs = dateMs + SIGNED_STEP_MS;
      this.#options.store.noteUse([
        { id: held.row.id, lastUsedMs: held.lastUsedMs, signedUntilMs: storedUntilMs },
      ]);
      held.storedUntilMs = storedUntilMs;
    }
    if (dateMs > held.signedUntilMs) held.signedUntilMs = dateMs;
    this.#soil(held);
  }

  create(tenant: string, input: KeyInput, by: string): { readonly view: KeyView; readonly text: string } {
    const { random, store, time } = this.#options;
    const nowMs = time.nowMs();
    const checked = checkKey(input, nowMs);
    const spent = this.#room(tenant);
    const { id, text, digest } = makeKey(random);
    const row: KeyRow = {
      ...{ id, tenant, digest, createdMs: nowMs, createdBy: by },
      ...checked,
      ...{ revokedMs: null, lastUsedMs: null, signedUntilMs: 0 },
    };
    store.putKeys([row], spent);
    for (const each of spent) this.#forget(each);
    return { view: this.#view(this.#hold(row)), text };
  }

  /** Another key like this one, which holds for `overlapMs` more. */
  rotate(
    tenant: string,
    id: string,
    overlapMs: number,
    by: string,
  ): { readonly view: KeyView; readonly text: string } {
    const { random, store, time } = this.#options;
    const held = this.#get(tenant, id);
    const nowMs = time.nowMs();
    if (!this.#holds(held.row))
      throw new StrataError(
        'conflict',
        `The key ${prefixOf(id)} does not hold any more; create another one.`,
      );
    const spent = this.#room(tenant);
    const made = makeKey(random);
    const { row } = held;
    const lifeMs = row.expiresMs === null ? null : row.expiresMs - row.createdMs;
    const expiresMs = Math.min(row.expiresMs ?? Number.POSITIVE_INFINITY, nowMs + overlapMs);
    const next: KeyRow = {
      ...row,
      ...{ id: made.id, digest: made.digest, createdMs: nowMs, createdBy: by, lastUsedMs: null },
      ...{ expiresMs: lifeMs === null ? null : nowMs + lifeMs, signedUntilMs: 0 },
    };
    const former = { ...this.#current(held), expiresMs };
    store.putKeys([former, next], spent);
    held.row = former;
    for (const each of spent) this.#forget(each);
    return { view: this.#view(this.#hold(next)), text: made.text };
  }

  revoke(tenant: string, id: string): KeyView {
    const held = this.#get(tenant, id);
    if (held.row.revokedMs === null) {
      const row = { ...this.#current(held), revokedMs: this.#options.time.nowMs() };
      this.#options.store.putKeys([row]);
      held.row = row;
    }
    return this.#view(held);
  }

  list(tenant: string): readonly KeyView[] {
    const keys = [...(this.#byTenant.get(tenant)?.values() ?? [])];
    return keys.sort((a, b) => a.row.createdMs - b.row.createdMs).map((held) => this.#view(held));
  }

  /** Keys that hold. */
  count(tenant: string): number {
    let count = 0;
    for (const { row } of this.#byTenant.get(tenant)?.values() ?? []) if (this.#holds(row)) count += 1;
    return count;
  }

  /** For a tenant of which the store has removed all. */
  forgetTenant(tenant: string): void {
    for (const id of [...(this.#byTenant.get(tenant)?.keys() ?? [])]) this.#forget(id);
  }

  get hasSigners(): boolean {
    return [...this.#keys.values()].some(({ row }) => row.signing);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    // Nothing comes any more, so that what the store was told ahead of time can be put right.
    this.#write((held) => held.signedUntilMs);
  }

  #holds({ revokedMs, expiresMs }: KeyRow): boolean {
    return revokedMs === null && (expiresMs === null || expiresMs > this.#options.time.nowMs());
  }

  #get(tenant: string, id: string): HeldKey {
    const held = this.#byTenant.get(tenant)?.get(id);
    if (held !== undefined) return held;
    throw new StrataError(
      'not_found',
      `The tenant ${tenant} has no key ${JSON.stringify(id.slice(0, 64))}; list shows its keys.`,
    );
  }

  /** Which of the tenant's keys make room for one more: those that do not hold any more, the oldest first. */
  #room(tenant: string): readonly string[] {
    const keys = this.#byTenant.get(tenant);
    if (keys === undefined || keys.size < KEYS_MAX) return [];
    for (const [id, { row }] of keys) if (!this.#holds(row)) return [id];
    throw new StrataError('quota_exceeded', `The tenant has ${keys.size} keys; revoke one first.`, {
      limit: { kind: 'maxKeys', configured: KEYS_MAX, observed: keys.size },
    });
  }

  #hold(row: KeyRow): HeldKey {
    const held: HeldKey = {
      ...{ row, lastUsedMs: row.lastUsedMs, signedFloorMs: row.signedUntilMs },
      ...{ signedUntilMs: row.signedUntilMs, storedUntilMs: row.signedUntilMs, isDirty: false },
      identity: {
        ...{ tenant: row.tenant, scopes: new Set<Scope>(row.scopes), principal: `key:${row.id}` },
        ...{ credential: 'key', bodySha256: null },
      },
    };
    this.#keys.set(row.id, held);
    const ofTenant = this.#byTenant.get(row.tenant) ?? new Map<string, HeldKey>();
    ofTenant.set(row.id, held);
    this.#byTenant.set(row.tenant, ofTenant);
    return held;
  }

  #forget(id: string): void {
    const held = this.#keys.get(id);
    if (held === undefined) return;
    this.#keys.delete(id);
    this.#dirty.delete(held);
    const ofTenant = this.#byTenant.get(held.row.tenant);
    ofTenant?.delete(id);
    if (ofTenant?.size === 0) this.#byTenant.delete(held.row.tenant);
  }

  #soil(held: HeldKey): void {
    if (held.isDirty) return;
    held.isDirty = true;
    this.#dirty.add(held);
    this.#timer ??= this.#options.clock.setTimer(USE_INTERVAL_MS, () => {
      this.#timer = null;
      this.#write((each) => each.storedUntilMs);
    });
  }

  #write(signedUntilOf: (held: HeldKey) => number): void {
    if (this.#dirty.size === 0) return;
    const uses = [...this.#dirty].map((held) => ({
      ...{ id: held.row.id, lastUsedMs: held.lastUsedMs, signedUntilMs: signedUntilOf(held) },
    }));
    for (const held of this.#dirty) held.isDirty = false;
    this.#dirty.clear();
    try {
      this.#options.store.noteUse(uses);
    } catch (error) {
      this.#options.onFault('when keys were last used could not be written', { err: error });
    }
  }

  /** The row with what has been noted since it was written. */
  #current(held: HeldKey): KeyRow {
    return { ...held.row, lastUsedMs: held.lastUsedMs, signedUntilMs: held.storedUntilMs };
  }

  #view({ row, lastUsedMs }: HeldKey): KeyView {
    const expired = row.revokedMs === null && !this.#holds(row);
    return {
      ...{ id: row.id, prefix: prefixOf(row.id), tenant: row.tenant, name: row.name, scopes: row.scopes },
      signing: row.signing,
      state: row.revokedMs !== null ? 'revoked' : expired ? 'expired' : 'active',
      createdAt: iso(row.createdMs),
      createdBy: row.createdBy,
      expiresAt: row.expiresMs === null ? null : iso(row.expiresMs),
      revokedAt: row.revokedMs === null ? null : iso(row.revokedMs),
      lastUsedAt: lastUsedMs === null ? null : iso(lastUsedMs),
    };
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
