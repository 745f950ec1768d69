/**
 * The tenants of a server: who there is, what each may have, and who has gone.
 *
 * Owns the rules: `default` is always there, cannot be disabled and cannot be deleted; a tenant goes only when it has no
 * functions; a name is given once. Never looks at requests.
 */
import { StrataError } from '../core/errors.ts';
import type { Quotas, TenantInput } from './api.ts';
import { checkTenant, checkTenantName } from './inputs.ts';
import type { SteadyTime } from './steady-time.ts';
import type { AccountStore, TenantRow } from './store.ts';

export const DEFAULT_TENANT = 'default';

/** Those that were deleted count too, because their names stay. */
const TENANTS_MAX = 100_000;

export interface TenantsOptions {
  readonly store: AccountStore;
  readonly time: SteadyTime;
  readonly quotas: Quotas;
}

export class Tenants {
  readonly #options: TenantsOptions;
  readonly #rows = new Map<string, TenantRow>();

  constructor(options: TenantsOptions) {
    this.#options = options;
    for (const row of options.store.tenants()) this.#rows.set(row.name, row);
    if (!this.#rows.has(DEFAULT_TENANT)) this.#rows.set(DEFAULT_TENANT, NEVER_STORED);
  }

  isActive(name: string): boolean {
    return this.#rows.get(name)?.state === 'active';
  }

  /** Whether it is there, disabled or not. */
  exists(name: string): boolean {
    const row = this.#rows.get(name);
    return row !== undefined && row.state !== 'deleted';
  }

  /** @throws StrataError `not_found`. */
  get(name: string): TenantRow {
    const row = this.#rows.get(checkTenantName(name));
    if (row !== undefined && row.state !== 'deleted') return row;
    throw new StrataError('not_found', `There is no tenant ${name}; create it first.`);
  }

  list(): readonly TenantRow[] {
    return [...this.#rows.values()]
      .filter(({ state }) => state !== 'deleted')
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  quotasOf(name: string): Quotas {
    const { quotas } = this.#options;
    const own = this.#rows.get(name)?.quotas;
    return own === undefined || own === NO_QUOTAS ? quotas : { ...quotas, ...own };
  }

  requestsPerSecondOf(name: string): number {
    return this.#rows.get(name)?.quotas.requestsPerSecond ?? this.#options.quotas.requestsPerSecond;
  }

  /** Undefined where the server's own limit holds. */
  maxInFlightOf(name: string): number | undefined {
    return this.#rows.get(name)?.quotas.maxInFlight;
  }

  create(name: string, input: TenantInput): TenantRow {
    checkTenantName(name);
    const checked = checkTenant(input);
    const former = this.#rows.get(name);
    if (former !== undefined) {
      const why =
        former.state === 'deleted'
          ? 'was deleted, and what is left of it in logs and receipts stays its own'
          : 'is there already';
      throw new StrataError('conflict', `The tenant ${name} ${why}; take another name.`);
    }
    if (this.#rows.size >= TENANTS_MAX)
      throw new StrataError(
        'quota_exceeded',
        `There are ${this.#rows.size} tenants, with those that were deleted; no more are taken.`,
      );
    const nowMs = this.#options.time.nowMs();
    const blank: TenantRow = {
      ...{ name, description: '', state: 'active', quotas: {}, createdMs: nowMs, updatedMs: nowMs },
    };
    return this.#put(changed(blank, checked, nowMs));
  }

  update(name: string, input: TenantInput): TenantRow {
    const row = this.get(name);
    const checked = checkTenant(input);
    if (name === DEFAULT_TENANT && checked.state === 'disabled')
      throw new StrataError('conflict', `The tenant ${DEFAULT_TENANT} cannot be disabled.`);
    const nowMs = this.#options.time.nowMs();
    return this.#put(changed(row === NEVER_STORED ? { ...row, createdMs: nowMs } : row, checked, nowMs));
  }

  /** @throws StrataError `conflict` for `default`, and while the tenant has functions. */
  delete(name: string, functions: number): void {
    const row = this.get(name);
    if (name === DEFAULT_TENANT)
      throw new StrataError('conflict', `The tenant ${DEFAULT_TENANT} cannot be deleted.`);
    if (functions > 0)
      throw new StrataError(
        'conflict',
        `The tenant ${name} has ${functions} functions; delete them first, or disable the tenant.`,
      );
    const gone: TenantRow = { ...row, state: 'deleted', updatedMs: this.#options.time.nowMs() };
    this.#options.store.buryTenant(gone);
    this.#rows.set(name, gone);
  }

  #put(row: TenantRow): TenantRow {
    this.#options.store.putTenant(row);
    this.#rows.set(row.name, row);
    return row;
  }
}

const NO_QUOTAS: Partial<Quotas> = {};

/** `default`, until something of it is changed. */
const NEVER_STORED: TenantRow = {
  ...{
    name: DEFAULT_TENANT,
    description: '',
    state: 'active',
    quotas: NO_QUOTAS,
    createdMs: 0,
    updatedMs: 0,
  },
};

const changed = (
  row: TenantRow,
  { description, state, quotas }: ReturnType<typeof checkTenant>,
  updatedMs: number,
): TenantRow => {
  const merged = new Map<keyof Quotas, number>(
    Object.entries(row.quotas) as (readonly [keyof Quotas, number])[],
  );
  for (const [name, value] of quotas) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  return {
    ...row,
    quotas: Object.fromEntries(merged),
    updatedMs,
    ...(description === undefined ? {} : { description }),
    ...(state === undefined ? {} : { state }),
  };
};
