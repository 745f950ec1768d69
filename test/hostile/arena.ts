/**
 * Where hostile functions run: one executor, a neighbour of another tenant beside them, and the accounts afterwards.
 *
 * Owns what every case adds to its own expectation: the neighbour is answered right before, during and after, the
 * tenant's other function works, slots are conserved, and no process stays behind.
 */
import { expect } from 'vitest';
import type { ErrorCode, LimitKind } from '../../src/core/errors.ts';
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import { createExecutor, type ExecutorOptions, type InvokeAnswer } from '../../src/index.ts';
import type { Executor } from '../../src/invocation/api.ts';
import type { SlotCounts } from '../../src/pool/api.ts';
import { descendants, gone, type ProcessId } from './processes.ts';

export type Status = ErrorCode | 'succeeded';

export interface HostileCase {
  readonly name: string;
  readonly source: string;
  readonly spec?: Partial<FunctionSpecInput>;
  readonly event?: unknown;
  /** A list only where the engine itself leaves open which of them comes first. */
  readonly expected: Status | readonly Status[];
  readonly limit?: LimitKind;
  /** What the function's error has to match. */
  readonly error?: { readonly type?: string; readonly message?: string | RegExp };
  /** The result of a success. */
  readonly result?: unknown;
  /** Whether the instance may serve again: nothing that broke a limit may. Null where the outcome decides it. */
  readonly lives: boolean | null;
}

/** Memory that is soon full, so that cases are short. */
const MEMORY_MB = 32;
const KILL_GRACE_MS = 200;
/** For a machine whose two cores are busy with the case itself and with other things. */
const MARGIN_MS = 6_000;
const HOSTILE = 'mallory';
const NEIGHBOUR = 'neighbour';

/** Waits inside the sandbox, so that there is always one under way while a case runs, and no core is taken. */
const CANARY = `let calls = 0;
exports.handler = async (event) => {
  calls += 1;
  await new Promise((resolve) => setTimeout(resolve, 15));
  return { square: event.n * event.n, calls };
};`;

export class Arena {
  readonly executor: Executor;
  readonly #before: readonly ProcessId[];
  #calls = 0;
  #number = 0;

  static async open(options: ExecutorOptions = {}): Promise<Arena> {
    const before = descendants(process.pid);
    const executor = await createExecutor({
      dataDir: ':memory:',
      container: { mode: 'off' },
      ...options,
      isolate: {
        ...{ pristineHosts: 1, runtimesPerHost: 2, spareRuntimes: 1, runtimeMemoryMb: MEMORY_MB },
        ...{ killGraceMs: KILL_GRACE_MS, ...options.isolate },
      },
    });
    const arena = new Arena(executor, before);
    const common = { runtime: 'isolate', memoryMb: MEMORY_MB } as const;
    const canary = { ...common, tenant: NEIGHBOUR, name: 'canary', timeoutMs: 20_000, cpuMs: 20_000 };
    await executor.deploy({ ...canary, code: { source: CANARY } });
    const sibling = { ...common, tenant: HOSTILE, name: 'sibling' };
    await executor.deploy({ ...sibling, code: { source: 'exports.handler = (event) => [event.n + 1];' } });
    await executor.ready();
    return arena;
  }

  private constructor(executor: Executor, before: readonly ProcessId[]) {
    this.executor = executor;
    this.#before = before;
  }

  /** Runs one case beside its neighbours and checks everything that holds for all of them. */
  async run(hostile: HostileCase): Promise<InvokeAnswer> {
    const { spec = {}, event = {}, expected, source } = hostile;
    this.#number += 1;
    const name = `case-${this.#number}`;
    const timeoutMs = spec.timeoutMs ?? 5_000;
    const initTimeoutMs = spec.initTimeoutMs ?? 5_000;
    const limits = { memoryMb: MEMORY_MB, timeoutMs, initTimeoutMs, cpuMs: 20_000 };
    await this.executor.deploy({
      ...{ tenant: HOSTILE, name, runtime: 'isolate', code: { source } },
      ...limits,
      ...spec,
    });
    await this.sibling();
    await this.canary();
    const startedMs = performance.now();
    let settled = false;
    const invoking = this.executor.invoke({ tenant: HOSTILE, function: name, event }).finally(() => {
      settled = true;
    });
    const during = (async () => {
      do await this.canary();
      while (!settled);
    })();
    const answer = await invoking;
    const elapsedMs = performance.now() - startedMs;
    const instances = this.instancesOf(HOSTILE, name);
    await during;

    const allowed: readonly Status[] = typeof expected === 'string' ? [expected] : expected;
    const status = answer.status === 'failed' ? answer.failure.code : 'succeeded';
    expect(allowed, JSON.stringify(answer.receipt.error)).toContain(status);
    expect(elapsedMs).toBeLessThan(initTimeoutMs + timeoutMs + KILL_GRACE_MS + MARGIN_MS);
    checkAnswer(answer, hostile);
    const serving = instances.filter((state) => state === 'free' || state === 'busy');
    if (hostile.lives !== null) expect(serving).toEqual(hostile.lives ? ['free'] : []);

    await this.sibling();
    await this.canary();
    this.checkSlots();
    await this.executor.delete(name, { tenant: HOSTILE });
    return answer;
  }

  /** The neighbour counts its own calls: a gap or a fresh start would show that its instance was touched. */
  async canary(): Promise<void> {
    this.#calls += 1;
    const n = this.#calls;
    const answer = await this.executor.invoke({ tenant: NEIGHBOUR, function: 'canary', event: { n } });
    expect(answer.receipt.error).toBeNull();
    expect(answer.result).toEqual({ square: n * n, calls: n });
  }

  /** The hostile tenant's other, healthy function. */
  async sibling(): Promise<void> {
    const answer = await this.executor.invoke({ tenant: HOSTILE, function: 'sibling', event: { n: 41 } });
    expect(answer.receipt.error).toBeNull();
    expect(answer.result).toEqual([42]);
  }

  /** States of the instances that hold this function. */
  instancesOf(tenant: string, name: string): string[] {
    const { sandboxes = [] } = this.executor.pools().tiers.isolate ?? {};
    return sandboxes
      .filter((sandbox) => sandbox.tenant === tenant)
      .flatMap(({ instances }) => instances)
      .filter((instance) => instance.function === `${name}@$LATEST`)
      .map(({ state }) => state);
  }

  checkSlots(): void {
    const { slots, sandboxes = [] } = this.executor.pools().tiers.isolate ?? {};
    const {
      free = -1,
      busy = -1,
      starting = -1,
      draining = -1,
      total,
    } = slots ?? ({} as Partial<SlotCounts>);
    expect(free + busy + starting + draining).toBe(total);
    expect(sandboxes.reduce((sum, { instances }) => sum + instances.length, 0)).toBe(total);
  }

  /** Ends the executor and waits until each of its processes has gone. */
  async close(): Promise<void> {
    const known = new Set(this.#before.map(({ pid }) => pid));
    const hosts = descendants(process.pid).filter(({ pid }) => !known.has(pid));
    expect(hosts.length).toBeGreaterThan(0);
    const busy = this.executor.pools().tiers.isolate?.slots.busy;
    await this.executor.close();
    expect(busy).toBe(0);
    expect(await gone(hosts)).toEqual([]);
    expect(descendants(process.pid).filter(({ pid }) => !known.has(pid))).toEqual([]);
  }
}

const checkAnswer = (answer: InvokeAnswer, { limit, error, result }: HostileCase): void => {
  const { receipt } = answer;
  expect(receipt.status).toBe(answer.status);
  if (answer.status === 'succeeded') {
    if (result !== undefined) expect(answer.result).toEqual(result);
    return;
  }
  expect(receipt.error?.code).toBe(answer.failure.code);
  expect(receipt.limit).toEqual(answer.failure.limit);
  if (limit !== undefined) expect(receipt.limit?.kind).toBe(limit);
  if (error?.type !== undefined) expect(receipt.error?.type).toBe(error.type);
  if (typeof error?.message === 'string') expect(receipt.error?.message).toBe(error.message);
  else if (error?.message !== undefined) expect(receipt.error?.message).toMatch(error.message);
  // Whatever went wrong, nothing of the host shows.
  expect(JSON.stringify(receipt.error)).not.toMatch(
    /<isolated-vm|within isolated-vm|isolated_vm|node_modules|\/tmp\/|host\.mjs/,
  );
};
