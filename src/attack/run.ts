/**
 * Runs attacks one at a time and says of each whether what is promised held.
 *
 * Owns what every case adds to its own expectation: the neighbour was answered rightly and in time all the while, the
 * attacker's own healthy function works afterwards, the receipt names who did it, and nothing of the host shows in
 * what comes back. Never decides which cases there are.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ProcessModel, Runtime } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import { Canary, type CanaryRuntime, canaryRuntimeOf, type Series } from './canary.ts';
import { type Attack, type AttackCase, Breach, type Call, type Group } from './case.ts';
import { answerProblems, logProblems, receiptProblems, refusalProblems } from './judge.ts';
import { ATTACKER, type Invoked, problemOf, type Target } from './target.ts';

/** One way in which a case is run. */
export interface Variant {
  readonly attackCase: AttackCase;
  /** `api` for an attack on the server itself. */
  readonly runtime: Runtime | 'api';
  readonly model: ProcessModel | null;
}

export interface Verdict {
  readonly id: number;
  readonly group: Group;
  readonly name: string;
  readonly runtime: Runtime | 'api';
  readonly model: ProcessModel | null;
  readonly held: boolean;
  /** What did not hold; empty when all did. */
  readonly problems: readonly string[];
  /** What the attack was answered with, call by call. */
  readonly outcomes: readonly string[];
  readonly elapsedMs: number;
  readonly canary: { readonly calls: number; readonly latenciesMs: readonly number[] };
}

export interface AttackerOptions {
  readonly target: Target;
  readonly clock: Clock;
  /** The runtimes of the server; attacks on others are left out by `variantsOf`. */
  readonly runtimes: readonly Runtime[];
  readonly canaryCalls?: number;
  readonly canaryBoundMs?: number;
}

const CANARY_CALLS = 10;
/** For a machine whose cores are busy with the attack itself; without a bound at all a neighbour could be starved. */
const CANARY_BOUND_MS = 1_000;
export const MODELS: readonly ProcessModel[] = ['resident', 'ephemeral'];
/** Memory that is soon full, so that cases are short. */
const MEMORY_MB: Readonly<Record<Runtime, number>> = { isolate: 32, nodejs24: 64, python3: 48, provided: 32 };
const SIBLING = 'exports.handler = async (event) => [event.n + 1];';

/** Every way in which these cases apply to a server with these runtimes. */
export const variantsOf = (cases: readonly AttackCase[], runtimes: readonly Runtime[]): readonly Variant[] =>
  cases.flatMap((attackCase): Variant[] => {
    if ('wire' in attackCase) return [{ attackCase, runtime: 'api', model: null }];
    return (Object.entries(attackCase.attacks) as [Runtime, Attack][])
      .filter(([runtime]) => runtimes.includes(runtime))
      .flatMap(([runtime, { models = MODELS }]) => models.map((model) => ({ attackCase, runtime, model })));
  });

export class Attacker {
  readonly #options: AttackerOptions;
  readonly #canaries: ReadonlyMap<CanaryRuntime, Canary>;
  #number = 0;

  /** Deploys the neighbours, and the attacker's own healthy function. */
  static async open(options: AttackerOptions): Promise<Attacker> {
    const { target, clock, runtimes } = options;
    const calls = options.canaryCalls ?? CANARY_CALLS;
    const boundMs = options.canaryBoundMs ?? CANARY_BOUND_MS;
    const canaries = new Map<CanaryRuntime, Canary>();
    for (const runtime of new Set(runtimes.map(canaryRuntimeOf))) {
      canaries.set(runtime, await Canary.open({ target, clock, runtime, calls, boundMs }));
      const code = { source: SIBLING };
      await target.deploy(`sibling-${runtime}`, { runtime, code, memoryMb: MEMORY_MB[runtime] });
    }
    return new Attacker(options, canaries);
  }

  private constructor(options: AttackerOptions, canaries: ReadonlyMap<CanaryRuntime, Canary>) {
    this.#options = options;
    this.#canaries = canaries;
  }

  /** Runs one variant beside its neighbour. */
  async run({ attackCase, runtime, model }: Variant): Promise<Verdict> {
    const { clock } = this.#options;
    const { id, group, name } = attackCase;
    const beside = runtime === 'api' ? 'isolate' : canaryRuntimeOf(runtime);
    const canary = this.#canaries.get(beside) ?? [...this.#canaries.values()][0];
    if (canary === undefined) throw new Error('The server has no runtime that a canary is written for.');
    await canary.settle();

    const problems: string[] = [];
    const outcomes: string[] = [];
    const startedMs = clock.nowMs();
    const attacking = (
      'wire' in attackCase
        ? attackCase.wire(this.#options.target)
        : this.#attack(attackCase.attacks[runtime as Runtime], runtime as Runtime, model, {
            problems,
            outcomes,
          })
    ).catch((error: unknown) => {
      // Whatever else a case throws is a fault of the case or of the server: both have to be seen.
      problems.push(error instanceof Breach ? error.message : `the attack itself failed: ${String(error)}`);
    });
    const series: Series = await canary.during(attacking);
    await attacking;
    const elapsedMs = clock.nowMs() - startedMs;
    problems.push(...series.problems.map((problem) => `the neighbour: ${problem}`));
    problems.push(...(await this.#sibling(beside)));
    const { calls, latenciesMs } = series;
    const held = problems.length === 0;
    return {
      ...{ id, group, name, runtime, model, held, problems, outcomes, elapsedMs },
      canary: { calls, latenciesMs },
    };
  }

  /** Removes what it deployed. */
  async close(): Promise<void> {
    for (const [runtime, canary] of this.#canaries) {
      await canary.close();
      await this.#options.target.delete(`sibling-${runtime}`);
    }
  }

  async #attack(
    attack: Attack | undefined,
    runtime: Runtime,
    model: ProcessModel | null,
    seen: { problems: string[]; outcomes: string[] },
  ): Promise<void> {
    if (attack === undefined) throw new Breach(`there is no attack for ${runtime}`);
    const { target } = this.#options;
    this.#number += 1;
    const name = `attack-${this.#number}`;
    const deployed = await target.deploy(name, {
      ...{ runtime, code: attack.code, memoryMb: MEMORY_MB[runtime], timeoutMs: 5_000, cpuMs: 5_000 },
      ...(model === null ? {} : { processModel: model }),
      ...attack.spec,
    });
    if (attack.refused !== undefined || deployed.status >= 300) {
      seen.outcomes.push(problemOf(deployed)?.code ?? String(deployed.status));
      seen.problems.push(...refusalProblems(deployed, attack.refused));
      if (deployed.status < 300) await target.delete(name);
      return;
    }
    for (const call of attack.calls) {
      const reply = await target.invoke(name, call.event);
      seen.outcomes.push(problemOf(reply)?.code ?? String(reply.status));
      seen.problems.push(...(await this.#judge(name, call, reply)));
    }
    await target.delete(name);
  }

  async #judge(name: string, { expect }: Call, reply: Invoked): Promise<string[]> {
    const { target } = this.#options;
    const problems = answerProblems(expect, reply);
    if (reply.invocationId === '') return [...problems, 'the answer has no invocation id'];
    const receipt = await target.receipt(reply.invocationId);
    if (receipt === null) return [...problems, 'the invocation has no receipt'];
    problems.push(...receiptProblems(expect, receipt, reply));
    if (receipt.function !== name || receipt.tenant !== ATTACKER)
      problems.push(`the receipt names ${receipt.tenant}/${receipt.function}`);
    if (expect.logs !== undefined) {
      const lines = await target.logs(reply.invocationId);
      problems.push(
        ...logProblems(
          expect,
          lines.map(({ message }) => message),
        ),
      );
    }
    return problems;
  }

  /** The attacker's other function: an attack costs its own tenant nothing but itself. */
  async #sibling(runtime: CanaryRuntime): Promise<string[]> {
    const reply = await this.#options.target.invoke(`sibling-${runtime}`, { n: 41 });
    return isDeepStrictEqual(reply.json, [42])
      ? []
      : [`the attacker's other function: ${reply.text.slice(0, 200)}`];
  }
}
