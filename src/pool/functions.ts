/**
 * The functions of a runtime as the pool knows them: what is asked of each, what it costs, and what it has.
 *
 * Owns one state for each version of a function, over all its revisions. Bounded: of those that have nothing and of
 * which nothing is asked, the ones known for longest are forgotten first.
 */
import { NOT_IN_HEAP } from '../core/heap.ts';
import type { Due } from './agenda.ts';
import { FunctionCosts } from './costs.ts';
import { Demand } from './demand.ts';
import { Population } from './population.ts';
import type { Placement, Slot } from './slot.ts';

const FUNCTIONS_MAX = 20_000;
/** So many are looked at for one that may be forgotten. */
const TRIES = 8;

export interface FunctionState extends Due {
  /** That of the newest revision that was placed or deployed. */
  placement: Placement;
  readonly demand: Demand;
  readonly costs: FunctionCosts;
  /** Where its code is loaded or being loaded, whichever revision of it. */
  readonly slots: Set<Slot>;
  /** Instances that are being loaded ahead: nobody waits for them. */
  preloading: number;
  /** Loads ahead that failed since a use of it ended well, and until when none is tried. */
  failures: number;
  heldOffUntilMs: number;
  /** CPU time of loads ahead that the function itself made fail, nanoseconds: its next invocation has it on its receipt. */
  unpaidCpuNs: number;
  /** It was deleted, or is forgotten. */
  deleted: boolean;
}

export class Functions {
  readonly #states = new Map<string, FunctionState>();
  /** The same by tenant: whoever looks at its own does not walk those of others. */
  readonly #byTenant = new Map<string, Set<FunctionState>>();
  /** Those that are to have instances in any case; who is deleted leaves when somebody looks. */
  readonly #provisioned = new Set<FunctionState>();
  readonly #population = new Population();

  of(placement: Placement): FunctionState {
    const known = this.#states.get(placement.group);
    if (known !== undefined) return known;
    const state: FunctionState = {
      ...{
        placement,
        demand: new Demand(this.#population, placement.tenant),
        costs: new FunctionCosts(placement.memoryMb),
      },
      ...{ slots: new Set(), preloading: 0, failures: 0, heldOffUntilMs: 0, unpaidCpuNs: 0 },
      ...{ dueMs: Number.POSITIVE_INFINITY, heapIndex: NOT_IN_HEAP, deleted: false },
    };
    this.#states.set(placement.group, state);
    this.#list(state);
    if (this.#states.size > FUNCTIONS_MAX) this.#forgetOne();
    return state;
  }

  /** Another revision of a function is the newest one. */
  renew(state: FunctionState, placement: Placement): void {
    state.placement = placement;
    if (placement.minInstances > 0) this.#provisioned.add(state);
    else this.#provisioned.delete(state);
  }

  ofTenant(tenant: string): Iterable<FunctionState> {
    return this.#byTenant.get(tenant) ?? [];
  }

  /** Those that are deployed with `minInstances`. */
  *provisioned(): Generator<FunctionState> {
    for (const state of this.#provisioned) {
      if (state.deleted) this.#provisioned.delete(state);
      else yield state;
    }
  }

  find(group: string): FunctionState | null {
    return this.#states.get(group) ?? null;
  }

  get size(): number {
    return this.#states.size;
  }

  all(): Iterable<FunctionState> {
    return this.#states.values();
  }

  #forgetOne(): void {
    let tries = 0;
    for (const [group, state] of this.#states) {
      this.#states.delete(group);
      if (isForgettable(state)) {
        // What is still planned for it must not load it again behind its successor's back.
        state.deleted = true;
        this.#unlist(state);
        return;
      }
      this.#states.set(group, state);
      tries += 1;
      if (tries === TRIES) return;
    }
  }

  #list(state: FunctionState): void {
    const { tenant } = state.placement;
    const own = this.#byTenant.get(tenant);
    if (own === undefined) this.#byTenant.set(tenant, new Set([state]));
    else own.add(state);
    this.renew(state, state.placement);
  }

  #unlist(state: FunctionState): void {
    const { tenant } = state.placement;
    const own = this.#byTenant.get(tenant);
    if (own?.delete(state) === true && own.size === 0) this.#byTenant.delete(tenant);
    this.#provisioned.delete(state);
  }
}

const isForgettable = ({ slots, demand, preloading, placement, deleted }: FunctionState): boolean =>
  slots.size === 0 && demand.inFlight === 0 && preloading === 0 && (placement.minInstances === 0 || deleted);
