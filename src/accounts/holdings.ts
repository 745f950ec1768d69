/**
 * How many functions and how much code each tenant has, held against its quotas before anything more is stored.
 *
 * Owns the counts. Published versions keep their code, so it counts as long as they do; what several versions of a
 * function share counts once. Invariants: what is being stored counts already, so that deployments at once cannot exceed
 * together what each would not alone; what was not stored is given back.
 */
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { Quotas } from './api.ts';

export interface HoldingsOptions {
  readonly quotasOf: (tenant: string) => Pick<Quotas, 'maxFunctions' | 'maxCodeBytes'>;
  /** @throws StrataError for a tenant that takes nothing new. */
  readonly refuseTenant: (tenant: string) => void;
}

type Code = Pick<FunctionRecord, 'codeDigest' | 'codeBytes'>;

interface HeldFunction {
  /** By version, `$LATEST` among them. */
  readonly codes: Map<string, Code>;
  /** What they would come to with what is being stored; null while nothing is. */
  storingBytes: number | null;
  bytes: number;
}

interface Held {
  /** By id: a function that is made anew is another. */
  readonly functions: Map<string, HeldFunction>;
  codeBytes: number;
}

const NOTHING = { functions: 0, codeBytes: 0 };

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #tenants = new Map<string, Held>();

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** What was deployed or published before, whatever the quotas are now. */
  keep(record: FunctionRecord): void {
    this.#change(record, ({ codes }) => void codes.set(record.version, record));
  }

  /**
   * Asked before a function or a version of it is stored; what it returns is told whether it was.
   * @throws StrataError `quota_exceeded`.
   */
  readonly accept = (record: FunctionRecord): ((stored: boolean) => void) => {
    const { tenant, id, version } = record;
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
    const formerBytes = former?.bytes ?? 0;
    const bytes = bytesOf(new Map([...(former?.codes ?? []), [version, record]]));
    const total = (held?.codeBytes ?? 0) - formerBytes + bytes;
    if (bytes > formerBytes && total > maxCodeBytes)
      throw new StrataError(
        'quota_exceeded',
        `The code of the tenant's functions and their versions would have ${total} bytes with this; ${maxCodeBytes} are ` +
          'allowed. Delete what is not needed first.',
        { limit: { kind: 'maxCodeBytes', configured: maxCodeBytes, observed: total } },
      );
    // While it is being stored the larger of both counts.
    this.#change(record, (each) => {
      each.storingBytes = bytes;
    });
    return (stored) =>
      this.#change(record, (each) => {
        each.storingBytes = null;
        if (stored) each.codes.set(version, record);
      });
  };

  /** For a function that was deleted, with its versions. */
  drop(record: Pick<FunctionRecord, 'tenant' | 'id'>): void {
    this.#change(record, ({ codes }) => codes.clear());
  }

  /** For one version that was deleted. */
  dropVersion(record: Pick<FunctionRecord, 'tenant' | 'id' | 'version'>): void {
    this.#change(record, ({ codes }) => void codes.delete(record.version));
  }

  of(tenant: string): { readonly functions: number; readonly codeBytes: number } {
    const held = this.#tenants.get(tenant);
    return held === undefined ? NOTHING : { functions: held.functions.size, codeBytes: held.codeBytes };
  }

  #change({ tenant, id }: Pick<FunctionRecord, 'tenant' | 'id'>, change: (held: HeldFunction) => void): void {
    const held = this.#tenants.get(tenant) ?? { functions: new Map<string, HeldFunction>(), codeBytes: 0 };
    const each = held.functions.get(id) ?? { codes: new Map<string, Code>(), storingBytes: null, bytes: 0 };
    held.codeBytes -= each.bytes;
    change(each);
    each.bytes = Math.max(bytesOf(each.codes), each.storingBytes ?? 0);
    held.codeBytes += each.bytes;
    if (each.codes.size === 0 && each.storingBytes === null) held.functions.delete(id);
    else held.functions.set(id, each);
    if (held.functions.size === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, held);
  }
}

/** Code that is stored once, because it is the same, counts once. */
const bytesOf = (codes: ReadonlyMap<string, Code>): number => {
  const distinct = new Map<string, number>();
  for (const { codeDigest, codeBytes } of codes.values()) distinct.set(codeDigest, codeBytes);
  let sum = 0;
  for (const bytes of distinct.values()) sum += bytes;
  return sum;
};
