/**
 * The neighbour: another tenant's function of known answer, called again and again while an attack runs.
 *
 * Owns its function and what each of its answers has to be: right, in time, from an instance that nobody else touched,
 * and paid by the neighbour for what the neighbour did. Never looks at the attack.
 */

import type { Runtime } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import { NEIGHBOUR, problemOf, type Target } from './target.ts';

/** The runtimes that a canary is written for. */
export type CanaryRuntime = 'isolate' | 'nodejs24';

export interface CanaryOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly runtime: CanaryRuntime;
  /** Calls that a series has at least, however soon the attack is over. */
  readonly calls: number;
  /** An answer that takes longer was not in time. */
  readonly boundMs: number;
}

export interface Series {
  readonly calls: number;
  /** Milliseconds of each call, as its client saw it, in order. */
  readonly latenciesMs: readonly number[];
  /** What was wrong with answers; empty when nothing was. */
  readonly problems: readonly string[];
}

/** It counts its own calls: a gap would show that its instance was lost, or that another called it. */
const SOURCE =
  'let calls = 0; exports.handler = async (event) => { calls += 1; return { square: event.n * event.n, calls }; };';
/** A call computes almost nothing; more than this on its receipt was somebody else's. */
const CPU_MAX_MS = 100;

export const canaryRuntimeOf = (runtime: Runtime): CanaryRuntime =>
  runtime === 'isolate' ? 'isolate' : 'nodejs24';

export class Canary {
  readonly #options: CanaryOptions;
  readonly #name: string;
  /** What its instance has counted. */
  #counted = 0;
  #n = 0;

  /** Deploys the neighbour's function and calls it once. */
  static async open(options: CanaryOptions): Promise<Canary> {
    const canary = new Canary(options);
    const { target, runtime } = options;
    const memoryMb = runtime === 'isolate' ? 32 : 64;
    const spec = { runtime, code: { source: SOURCE }, memoryMb, timeoutMs: 20_000, cpuMs: 20_000 };
    const reply = await target.deploy(canary.#name, spec, NEIGHBOUR);
    if (reply.status >= 300) throw new Error(`The canary for ${runtime} was not deployed: ${reply.text}`);
    await canary.settle();
    return canary;
  }

  private constructor(options: CanaryOptions) {
    this.#options = options;
    this.#name = `canary-${options.runtime}`;
  }

  /** One call that may start anew: the count goes on from whatever instance answers. */
  async settle(): Promise<void> {
    const { counted } = await this.#call();
    this.#counted = counted;
  }

  /** Calls until the attack is over, and the least number of times at any rate. */
  async during(attack: Promise<unknown>): Promise<Series> {
    const { calls, clock, boundMs, target } = this.#options;
    let over = false;
    const end = (): void => {
      over = true;
    };
    attack.then(end, end);
    const latenciesMs: number[] = [];
    const problems: string[] = [];
    let last = '';
    while (!over || latenciesMs.length < calls) {
      const startedMs = clock.nowMs();
      const answer = await this.#call();
      const latencyMs = clock.nowMs() - startedMs;
      latenciesMs.push(latencyMs);
      last = answer.invocationId;
      if (answer.problem !== null) problems.push(answer.problem);
      else if (answer.counted !== this.#counted + 1)
        problems.push(`counted ${answer.counted} after ${this.#counted}: its instance was not its own`);
      if (latencyMs > boundMs)
        problems.push(`an answer took ${latencyMs.toFixed(0)} ms; ${boundMs} are allowed`);
      this.#counted = answer.counted;
    }
    const receipt = await target.receipt(last, NEIGHBOUR);
    if (receipt === null) problems.push('its last call has no receipt');
    else if (receipt.tenant !== NEIGHBOUR || receipt.usage.cpuMs > CPU_MAX_MS)
      problems.push(`its last call was billed ${receipt.usage.cpuMs} ms of CPU to ${receipt.tenant}`);
    return { calls: latenciesMs.length, latenciesMs, problems };
  }

  async close(): Promise<void> {
    await this.#options.target.delete(this.#name, NEIGHBOUR);
  }

  async #call(): Promise<{ counted: number; invocationId: string; problem: string | null }> {
    this.#n += 1;
    const n = this.#n;
    const reply = await this.#options.target.invoke(this.#name, { n }, { tenant: NEIGHBOUR });
    const { square, calls: counted = 0 } = (reply.json ?? {}) as { square?: number; calls?: number };
    const right = reply.status === 200 && square === n * n;
    const text = problemOf(reply)?.code ?? reply.text.slice(0, 200);
    const problem = right ? null : `${n} squared was answered with ${reply.status} ${text}`;
    return { counted, invocationId: reply.invocationId, problem };
  }
}
