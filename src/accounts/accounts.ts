/**
 * Accounts: who may call, for which tenant, how much, and what is noted of it.
 *
 * Owns the wiring of this folder and when a server is open: until a key has been made, or another way to know a caller
 * is configured. From then on it asks for credentials for good, whatever is revoked later. Everything is decided in
 * memory; only changes, and tokens that were not seen before, take longer than a lookup and one SHA-256.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StrataError } from '../core/errors.ts';
import type { Identity } from '../core/identity.ts';
import type { Clock } from '../ports/clock.ts';
import { IN_MEMORY } from '../ports/database.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';
import type {
  Accounts,
  AuditInput,
  AuditPage,
  AuditQuery,
  KeyInput,
  KeyView,
  NewKey,
  Quotas,
  RequestHead,
  SigningKey,
  TenantInput,
  TenantPage,
  TenantView,
} from './api.ts';
import { AuditLog } from './audit-log.ts';
import { Authenticator } from './authenticator.ts';
import { Holdings } from './holdings.ts';
import { checkLimit, checkOverlap, isTenantName } from './inputs.ts';
import { KeySet } from './jwks.ts';
import { type JwtSettings, JwtVerifier } from './jwt.ts';
import { digestOf } from './key-text.ts';
import { Keyring } from './keyring.ts';
import { MasterSecret } from './master-secret.ts';
import { operatorKeyOf } from './operator-key.ts';
import { Rates } from './rates.ts';
import { Signatures } from './signature.ts';
import { SteadyTime } from './steady-time.ts';
import { type AccountStore, openAccountStore, type TenantRow } from './store.ts';
import { Tenants } from './tenants.ts';

export interface AccountSettings {
  readonly dataDir: string;
  readonly auth: JwtSettings & {
    readonly mode: 'auto' | 'required';
    readonly adminKey: string;
    readonly adminKeyFile: string;
    readonly signatureWindowMs: number;
    readonly maxNonces: number;
    readonly jwtJwks: string;
    readonly jwksTimeoutMs: number;
  };
  readonly quotas: Omit<Quotas, 'maxInFlight'>;
  readonly admission: { readonly maxInFlightPerTenant: number };
  readonly audit: { readonly maxEntries: number; readonly retentionDays: number };
}

export interface AccountsOptions {
  readonly settings: AccountSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: typeof fetch;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Why a token was refused, for the operator's log. */
  readonly onRefusal?: (reason: string) => void;
  /** How long to wait for another process that still has the database; 5,000 unless told. */
  readonly busyTimeoutMs?: number;
}

/** The database in the data folder. */
export const ACCOUNTS_FILE = 'accounts.db';
const MASTER_FILE = 'signing.key';

/**
 * Opens what is known of tenants and keys.
 * @throws StrataError `invalid_request` for settings that do not suffice, `conflict` when another process has the
 *   database, `storage_full` when there is no space for a new one, `internal_error` when it cannot be used.
 */
export const openAccounts = (options: AccountsOptions): StoredAccounts => {
  const { dataDir } = options.settings;
  const { busyTimeoutMs } = options;
  const isKept = dataDir !== IN_MEMORY;
  if (isKept) makeFolder(dataDir);
  const master = new MasterSecret(isKept ? join(dataDir, MASTER_FILE) : null, options.random);
  const path = isKept ? join(dataDir, ACCOUNTS_FILE) : IN_MEMORY;
  const store = openAccountStore(path, busyTimeoutMs === undefined ? {} : { busyTimeoutMs });
  try {
    return new StoredAccounts(options, store, master);
  } catch (error) {
    store.close();
    throw error;
  }
};

const LIST_DEFAULT = 100;
const OVERLAP_DEFAULT_MS = 86_400_000;

export class StoredAccounts implements Accounts {
  /** What the registry asks before it stores a function. */
  readonly holdings: Holdings;
  readonly #store: AccountStore;
  readonly #master: MasterSecret;
  readonly #tenants: Tenants;
  readonly #keyring: Keyring;
  readonly #signatures: Signatures;
  readonly #authenticator: Authenticator;
  readonly #rates: Rates;
  readonly #audit: AuditLog;
  #isOpen: boolean;

  constructor(options: AccountsOptions, store: AccountStore, master: MasterSecret) {
    const { settings, clock, random, onFault } = options;
    const { auth, quotas, admission, audit } = settings;
    const time = new SteadyTime(clock);
    const jwt = auth.jwtIssuer === '' ? null : openJwt(options, time);
    const operatorKey = operatorKeyOf(auth);
    this.#store = store;
    this.#master = master;
    this.#rates = new Rates(clock);
    this.#audit = new AuditLog({ clock, store, time, ...audit });
    this.#tenants = new Tenants({
      ...{ store, time },
      quotas: { ...quotas, maxInFlight: admission.maxInFlightPerTenant },
    });
    this.#keyring = new Keyring({ clock, time, random, store, onFault });
    if (this.#keyring.hasSigners && !master.exists)
      throw new StrataError(
        'internal_error',
        `There are keys that sign, and the file ${MASTER_FILE} that their secrets come from is not in the data folder; ` +
          `restore it from a backup. To give up all keys, move ${ACCOUNTS_FILE} away.`,
      );
    this.#signatures = new Signatures({
      ...{ clock, time, keyring: this.#keyring, master: () => master.get() },
      ...{ windowMs: auth.signatureWindowMs, maxNonces: auth.maxNonces },
    });
    this.#isOpen = auth.mode === 'auto' && jwt === null && operatorKey === null && !store.hadKeys();
    this.#authenticator = new Authenticator({
      ...{ tenants: this.#tenants, keyring: this.#keyring, signatures: this.#signatures, jwt },
      operatorDigest: operatorKey === null ? null : digestOf(operatorKey),
      isOpen: () => this.#isOpen,
    });
    this.holdings = new Holdings({
      quotasOf: (tenant) => this.#tenants.quotasOf(tenant),
      refuseTenant: (tenant) => this.#refuseGone(tenant),
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  identify(head: RequestHead): Identity | Promise<Identity> {
    const identity = this.#authenticator.identify(head);
    return identity instanceof Promise ? identity.then((known) => this.#count(known)) : this.#count(identity);
  }

  signingKey(id: string): SigningKey | null {
    const held = this.#keyring.signer(id);
    if (held === null) return null;
    return {
      secret: this.#signatures.secretOf(id),
      identity: (head) => this.#count(this.#authenticator.signer(held, head, null)),
    };
  }

  maxInFlightOf(tenant: string): number | undefined {
    return this.#tenants.maxInFlightOf(tenant);
  }

  createTenant(name: string, input: TenantInput = {}): TenantView {
    return this.#view(this.#tenants.create(name, input));
  }

  updateTenant(name: string, input: TenantInput): TenantView {
    return this.#view(this.#tenants.update(name, input));
  }

  tenant(name: string): TenantView {
    return this.#view(this.#tenants.get(name));
  }

  listTenants(query: { limit?: number; cursor?: string } = {}): TenantPage {
    const { limit = LIST_DEFAULT, cursor } = query;
    checkLimit(limit);
    if (cursor !== undefined && !isTenantName(cursor))
      throw new StrataError('invalid_request', 'The cursor is none of this list; take it from nextCursor.');
    const rows = this.#tenants.list().filter(({ name }) => cursor === undefined || name > cursor);
    const page = rows.slice(0, limit);
    return {
      tenants: page.map((row) => this.#view(row)),
      nextCursor: rows.length > limit ? (page.at(-1)?.name ?? null) : null,
    };
  }

  deleteTenant(name: string): void {
    this.#tenants.delete(name, this.holdings.of(name).functions);
    this.#keyring.forgetTenant(name);
  }

  createKey(tenant: string, input: KeyInput, by = 'operator'): NewKey {
    this.#tenants.get(tenant);
    if (input?.signing === true) this.#master.make();
    return this.#made(this.#keyring.create(tenant, input, by));
  }

  listKeys(tenant: string): readonly KeyView[] {
    this.#tenants.get(tenant);
    return this.#keyring.list(tenant);
  }

  revokeKey(tenant: string, id: string): KeyView {
    this.#tenants.get(tenant);
    return this.#keyring.revoke(tenant, id);
  }

  rotateKey(tenant: string, id: string, options: { overlapMs?: number } = {}, by = 'operator'): NewKey {
    this.#tenants.get(tenant);
    const overlapMs = checkOverlap(options) ?? OVERLAP_DEFAULT_MS;
    return this.#made(this.#keyring.rotate(tenant, id, overlapMs, by));
  }

  addAudit(entry: AuditInput): void {
    this.#audit.add(entry);
  }

  audit(query: AuditQuery = {}): AuditPage {
    return this.#audit.list(query);
  }

  close(): void {
    this.#keyring.close();
    this.#store.close();
  }

  #made({ view, text }: { readonly view: KeyView; readonly text: string }): NewKey {
    this.#isOpen = false;
    const signingSecret = view.signing ? this.#signatures.secretOf(view.id) : null;
    return { key: view, secret: text, signingSecret };
  }

  /** Strangers cannot use up what the tenant's own callers may send. */
  #count(identity: Identity): Identity {
    const { tenant, credential } = identity;
    const who = credential === 'none' ? `?${tenant}` : tenant;
    this.#rates.take(who, this.#tenants.requestsPerSecondOf(tenant));
    return identity;
  }

  /** Between the request of a tenant and its deployment the tenant may have gone. */
  #refuseGone(tenant: string): void {
    if (this.#isOpen || this.#tenants.exists(tenant)) return;
    throw new StrataError('not_found', 'There is no such tenant any more.');
  }

  #view({ name, description, state, quotas, createdMs, updatedMs }: TenantRow): TenantView {
    return {
      ...{ name, description, state: state === 'active' ? 'active' : 'disabled', quotas: { ...quotas } },
      usage: { ...this.holdings.of(name), keys: this.#keyring.count(name) },
      createdAt: createdMs === 0 ? null : new Date(createdMs).toISOString(),
      updatedAt: updatedMs === 0 ? null : new Date(updatedMs).toISOString(),
    };
  }
}

const makeFolder = (dataDir: string): void => {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw storageError(`The data folder ${dataDir}`, dataDir, cause);
  }
};

const openJwt = (options: AccountsOptions, time: SteadyTime): JwtVerifier => {
  const { clock, fetch, onFault, onRefusal = () => {} } = options;
  const { auth } = options.settings;
  if (auth.jwtJwks === '')
    throw new StrataError(
      'invalid_request',
      'auth.jwtIssuer is given without auth.jwtJwks; say where the public keys of the issuer are.',
    );
  const { jwtJwks: source, jwksCacheMs: cacheMs, jwksTimeoutMs: timeoutMs } = auth;
  const keySet = new KeySet({ clock, source, cacheMs, timeoutMs, fetch, onFault });
  return new JwtVerifier({ settings: auth, keySet, time, onRefusal });
};
