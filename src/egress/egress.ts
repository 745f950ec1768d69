/**
 * The network of functions, as the executor has it: one broker, and how many requests there may be at once.
 *
 * Owns those counts, by server, tenant and function. Never decides about an address. Invariant: a place that was taken is
 * given back once.
 */
import type { Clock } from '../ports/clock.ts';
import type { ProcessHandle } from '../ports/processes.ts';
import { EgressSession, type Grant, type SessionHost, type SessionLimits } from './session.ts';
import { type BrokerRequest, type RequestListener, Supervisor } from './supervisor.ts';

export interface EgressSettings extends SessionLimits {
  readonly mode: 'on' | 'off';
  readonly maxRequestsAtOnce: number;
  readonly maxRequestsAtOncePerTenant: number;
  readonly maxRequestsAtOncePerFunction: number;
  readonly requestTimeoutMs: number;
}

export interface EgressOptions {
  readonly clock: Clock;
  readonly settings: EgressSettings;
  readonly spawn: () => Promise<ProcessHandle>;
  /** Called once, after the broker has ended. */
  readonly release: () => Promise<void>;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

const START_TIMEOUT_MS = 10_000;

export class Egress implements SessionHost {
  readonly limits: SessionLimits;
  readonly #options: EgressOptions;
  readonly #supervisor: Supervisor;
  readonly #byTenant = new Map<string, number>();
  readonly #byFunction = new Map<string, number>();
  #all = 0;

  constructor(options: EgressOptions) {
    this.#options = options;
    this.limits = options.settings;
    this.#supervisor = new Supervisor({
      ...{
        clock: options.clock,
        spawn: options.spawn,
        onFault: options.onFault,
        startTimeoutMs: START_TIMEOUT_MS,
      },
      requestTimeoutMs: options.settings.requestTimeoutMs,
    });
  }

  /** The network of one invocation. */
  open(grant: Grant): EgressSession {
    return new EgressSession(this, grant);
  }

  enter({ tenant, functionId }: Grant): number | null {
    const { maxRequestsAtOnce, maxRequestsAtOncePerTenant, maxRequestsAtOncePerFunction } =
      this.#options.settings;
    const ofTenant = this.#byTenant.get(tenant) ?? 0;
    const ofFunction = this.#byFunction.get(functionId) ?? 0;
    if (ofFunction >= maxRequestsAtOncePerFunction) return maxRequestsAtOncePerFunction;
    if (ofTenant >= maxRequestsAtOncePerTenant) return maxRequestsAtOncePerTenant;
    if (this.#all >= maxRequestsAtOnce) return maxRequestsAtOnce;
    this.#all += 1;
    this.#byTenant.set(tenant, ofTenant + 1);
    this.#byFunction.set(functionId, ofFunction + 1);
    return null;
  }

  leave({ tenant, functionId }: Grant): void {
    this.#all -= 1;
    lower(this.#byTenant, tenant);
    lower(this.#byFunction, functionId);
  }

  request(listener: RequestListener): BrokerRequest | null {
    return this.#options.settings.mode === 'off' ? null : this.#supervisor.request(listener);
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
    await this.#options.release();
  }
}

const lower = (counts: Map<string, number>, key: string): void => {
  const count = (counts.get(key) ?? 1) - 1;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
};
