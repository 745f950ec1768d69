/**
 * Who is due, in a fair order: tenants take turns, then the functions of a tenant, then the oldest goes first.
 *
 * Owns the order alone. Invariants: an item is listed at most once; a tenant or function is listed while it has an item,
 * and no longer. Taking passes over those who may not have one more now, of whom there are no more than run already.
 */
import { Chain, type Link } from '../core/chain.ts';

/** What is put in order; the line alone writes the fields that are not read-only. */
export interface Lined extends Link {
  readonly tenant: string;
  readonly function: string;
  row: Row | null;
}

/** The items of one function. */
interface Row extends Link {
  readonly name: string;
  readonly tenant: TenantRows;
  readonly items: Chain<Lined>;
}

interface TenantRows extends Link {
  readonly name: string;
  readonly rows: Map<string, Row>;
  readonly turns: Chain<Row>;
}

/** Whether one more of a tenant, or of one of its functions, may be taken. */
export interface Allowance {
  tenant(tenant: string): boolean;
  function(tenant: string, name: string): boolean;
}

export class FairLine<Item extends Lined> {
  readonly #tenants = new Map<string, TenantRows>();
  readonly #turns = new Chain<TenantRows>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: Item): void {
    const tenant = this.#tenantOf(item.tenant);
    let row = tenant.rows.get(item.function);
    if (row === undefined) {
      row = { name: item.function, tenant, items: new Chain(), before: null, after: null };
      tenant.rows.set(item.function, row);
      tenant.turns.push(row);
    }
    row.items.push(item);
    item.row = row;
    this.#size += 1;
  }

  /** Answers whether it was there. */
  remove(item: Item): boolean {
    const { row } = item;
    if (row === null) return false;
    const { tenant } = row;
    item.row = null;
    row.items.remove(item);
    this.#size -= 1;
    if (row.items.size > 0) return true;
    tenant.rows.delete(row.name);
    tenant.turns.remove(row);
    if (tenant.rows.size > 0) return true;
    this.#tenants.delete(tenant.name);
    this.#turns.remove(tenant);
    return true;
  }

  /** Takes out whose turn it is among those that may have one more; null when there is none. */
  take(allowance: Allowance): Item | null {
    for (let passed = this.#turns.size; passed > 0; passed -= 1) {
      const tenant = this.#turns.first;
      if (tenant === null) return null;
      const item = allowance.tenant(tenant.name) ? takeOf(tenant, allowance) : null;
      this.#turns.rotate();
      if (item === null) continue;
      this.remove(item as Item);
      return item as Item;
    }
    return null;
  }

  #tenantOf(name: string): TenantRows {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = { name, rows: new Map(), turns: new Chain(), before: null, after: null };
      this.#tenants.set(name, tenant);
      this.#turns.push(tenant);
    }
    return tenant;
  }
}

const takeOf = (tenant: TenantRows, allowance: Allowance): Lined | null => {
  for (let passed = tenant.turns.size; passed > 0; passed -= 1) {
    const row = tenant.turns.first;
    if (row === null) return null;
    tenant.turns.rotate();
    if (allowance.function(tenant.name, row.name)) return row.items.first;
  }
  return null;
};
