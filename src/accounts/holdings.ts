/**
 * How many functions and how much code each tenant has, held against its quotas before anything more is stored.
 *
 * Owns the counts. Invariants: what is being stored counts already, so that deployments at once cannot exceed together
 * what each would not alone; what was not stored is given back.
 */
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { Quotas } from './api.ts';

export interface HoldingsOptions {
  readonly quotasOf: (tenant: string) => Pick<Quotas, 'maxFunctions' | 'maxCodeBytes'>;
  /** @throws StrataError for a tenant that takes nothing new. */
  readonly refuseTenant: (tenant: string) => void;
}

interface Held {
  /** The bytes of each function's code, by its id: one that is made anew is another. */
  readonly functions: Map<string, number>;
  codeBytes: number;
}

const NOTHING = { functions: 0, codeBytes: 0 };

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #tenants = new Map<string, Held>();

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** What was deployed before, whatever the quotas are now. */
  keep({ tenant, id, codeBytes }: FunctionRecord): void {
    this.#set(tenant, id, codeBytes);
  }

  /**
   * Asked before a function is stored; what it returns is told whether it was.
   * @throws StrataError `quota_exceeded`.
   */
  readonly accept = ({ tenant, id, codeBytes }: FunctionRecord): ((stored: boolean) => void) => {
    this.#options.refuseTenant(tenant);
    const held = this.#tenants.get(tenant);
    const former = held?.functions.get(id);
    const { maxFunctions, maxCodeBytes } = this.#options.quotasOf(tenant);
    const functions = (held?.functions.size ?? 0) + 1;
    if (former === undefined && functions > maxFunctions)
      throw new StrataError(
        'quota_exceeded',
        `The tenant would have ${functions} functions with this one; ${maxFunctions} are allowed. Delete one first.`,
        { limit: { kind: 'maxFunctions', configured: maxFunctions, observed: functions } },
      );
    const total = (held?.codeBytes ?? 0) - (former ?? 0) + codeBytes;
    if (codeBytes > (former ?? 0) && total > maxCodeBytes)
      throw new StrataError(
        'quota_exceeded',
        `The code of the tenant's functions would have ${total} bytes with this; ${maxCodeBytes} are allowed. Delete ` +
          'what is not needed first.',
        { limit: { kind: 'maxCodeBytes', configured: maxCodeBytes, observed: total } },
      );
    // While it is being stored the larger of both counts.
    this.#set(tenant, id, Math.max(former ?? 0, codeBytes));
    return (stored) => this.#set(tenant, id, stored ? codeBytes : former);
  };

  drop({ tenant, id }: Pick<FunctionRecord, 'tenant' | 'id'>): void {
    this.#set(tenant, id, undefined);
  }

  of(tenant: string): { readonly functions: number; readonly codeBytes: number } {
    const held = this.#tenants.get(tenant);
    return held === undefined ? NOTHING : { functions: held.functions.size, codeBytes: held.codeBytes };
  }

  #set(tenant: string, id: string, codeBytes: number | undefined): void {
    const held = this.#tenants.get(tenant) ?? { functions: new Map<string, number>(), codeBytes: 0 };
    held.codeBytes += (codeBytes ?? 0) - (held.functions.get(id) ?? 0);
    if (codeBytes === undefined) held.functions.delete(id);
    else held.functions.set(id, codeBytes);
    if (held.functions.size === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, held);
  }
}
