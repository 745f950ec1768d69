/**
 * How much the `minInstances` of each tenant's functions may ask for together.
 *
 * Of a function that is its `$LATEST`, and each published version that an alias points to. Owns the sums and the limit.
 * What is provisioned of it is the pool's business. Invariants: a function is stored only
 * with what its tenant may still ask for, counted at its `memoryMb` because it may grow to that; what a deployment gives
 * up stays counted until it is stored, so that neither outcome can fail.
 */
import type { Logger } from 'pino';
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { Accept, AcceptPointing, Registry } from '../registry/api.ts';
import { placementOf } from './placement.ts';

export interface ProvisionsOptions {
  /** What all sandboxes may take. */
  readonly budgetMb: number;
  /** Of it, for one tenant. */
  readonly percentPerTenant: number;
}

export class Provisions {
  readonly #limitMb: number;
  readonly #rule: string;
  /** Megabytes of each function and each tenant that ask for any. */
  readonly #byGroup = new Map<string, number>();
  readonly #byTenant = new Map<string, number>();

  constructor({ budgetMb, percentPerTenant }: ProvisionsOptions) {
    this.#limitMb = Math.floor((budgetMb * percentPerTenant) / 100);
    this.#rule =
      `${this.#limitMb} MB, which is admission.maxProvisionedPercent, ${percentPerTenant}, of the ` +
      `${Math.floor(budgetMb)} MB that all sandboxes may take`;
  }

  ofTenant(tenant: string): number {
    return this.#byTenant.get(tenant) ?? 0;
  }

  /** @throws StrataError `conflict` when the tenant would ask for more than before, and for more than it may. */
  readonly accept: Accept = (record) => {
    const { group, tenant } = placementOf(record);
    const former = this.#byGroup.get(group) ?? 0;
    const wanted = askedMb(record);
    const sum = this.ofTenant(tenant) + wanted - former;
    if (wanted > former && sum > this.#limitMb) throw this.#refusal(record, sum);
    this.#set(group, tenant, Math.max(former, wanted));
    return (stored) => this.#set(group, tenant, stored ? wanted : former);
  };

  /**
   * For versions that aliases point to from now on, and those that none does any more. Only what all of it comes to
   * beyond before may be refused: an alias can always be moved back.
   */
  readonly acceptPointing: AcceptPointing = ({ joined, left }) => {
    const moreMb = Math.max(0, sumMb(joined) - sumMb(left));
    const [first] = joined;
    if (first === undefined || moreMb === 0) return (stored) => this.#pointed(joined, left, stored);
    const { tenant } = first;
    const sum = this.ofTenant(tenant) + moreMb;
    if (sum > this.#limitMb) throw this.#refusal(first, sum);
    put(this.#byTenant, tenant, sum);
    return (stored) => {
      put(this.#byTenant, tenant, this.ofTenant(tenant) - moreMb);
      this.#pointed(joined, left, stored);
    };
  };

  /** For a function, or a version, that was deleted. */
  drop(record: FunctionRecord): void {
    const { group, tenant } = placementOf(record);
    this.#set(group, tenant, 0);
  }

  /** What was deployed before is kept, also where limits were lowered: it leaves no room for more. */
  keepStored(registry: Registry, logger: Logger): void {
    for (const record of registry.kept()) {
      const { group, tenant } = placementOf(record);
      this.#set(group, tenant, askedMb(record));
    }
    for (const [tenant, askedForMb] of this.#byTenant)
      if (askedForMb > this.#limitMb)
        logger.warn(
          { tenant, askedForMb, limitMb: this.#limitMb },
          'minInstances ask for more than is allowed',
        );
  }

  #pointed(joined: readonly FunctionRecord[], left: readonly FunctionRecord[], stored: boolean): void {
    if (!stored) return;
    for (const record of left) this.drop(record);
    for (const record of joined) {
      const { group, tenant } = placementOf(record);
      this.#set(group, tenant, askedMb(record));
    }
  }

  #refusal({ minInstances, memoryMb }: FunctionRecord, sum: number): StrataError {
    return new StrataError(
      'conflict',
      `minInstances of ${minInstances} with a memoryMb of ${memoryMb} would bring what the tenant's functions keep ready ` +
        `to ${sum} MB; a tenant may have ${this.#rule}. Ask for fewer, here or for another function.`,
    );
  }

  #set(group: string, tenant: string, memoryMb: number): void {
    put(this.#byTenant, tenant, this.ofTenant(tenant) + memoryMb - (this.#byGroup.get(group) ?? 0));
    put(this.#byGroup, group, memoryMb);
  }
}

const askedMb = ({ minInstances, memoryMb }: FunctionRecord): number => minInstances * memoryMb;

const sumMb = (records: readonly FunctionRecord[]): number =>
  records.reduce((sum, record) => sum + askedMb(record), 0);

/** Names that ask for nothing leave nothing behind. */
const put = (sums: Map<string, number>, name: string, memoryMb: number): void => {
  if (memoryMb === 0) sums.delete(name);
  else sums.set(name, memoryMb);
};
