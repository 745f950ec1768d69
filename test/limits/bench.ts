/**
 * What the suites about limits share: an executor with functions of one tenant, and short ways to call them.
 */
import { expect } from 'vitest';
import type { Failure } from '../../src/core/errors.ts';
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import {
  createExecutor,
  type ExecutorOptions,
  type InvokeAnswer,
  type InvokeRequest,
} from '../../src/index.ts';
import type { Executor } from '../../src/invocation/api.ts';
import type { SandboxView, TierView } from '../../src/pool/api.ts';

export interface Bench {
  readonly executor: Executor;
  deploy(
    name: string,
    code: string | Readonly<Record<string, string>>,
    spec?: Partial<FunctionSpecInput> & { tenant?: string },
  ): Promise<void>;
  invoke(name: string, event?: unknown, request?: Partial<InvokeRequest>): Promise<InvokeAnswer>;
  /** The result; fails the test unless the invocation succeeded. */
  result(name: string, event?: unknown, request?: Partial<InvokeRequest>): Promise<unknown>;
  /** The failure; fails the test unless the invocation failed. */
  failure(name: string, event?: unknown, request?: Partial<InvokeRequest>): Promise<FailedAnswer>;
  pool(): TierView;
  /** Sandboxes in which this function is loaded. */
  holding(name: string): readonly SandboxView[];
}

export type FailedAnswer = Extract<InvokeAnswer, { status: 'failed' }>;

export const openBench = async (options: ExecutorOptions = {}): Promise<Bench> => {
  const executor = await createExecutor({
    dataDir: ':memory:',
    // Containers have suites of their own.
    container: { mode: 'off' },
    ...options,
    isolate: { pristineHosts: 1, runtimesPerHost: 1, spareRuntimes: 1, ...options.isolate },
  });
  await executor.ready();
  const invoke: Bench['invoke'] = (name, event = {}, request = {}) =>
    executor.invoke({ function: name, event, ...request });
  const pool = (): TierView => {
    const view = executor.pools().tiers.isolate;
    if (view === undefined) throw new Error('there is no isolate tier');
    return view;
  };
  return {
    executor,
    invoke,
    pool,
    async deploy(name, code, spec = {}) {
      const upload = typeof code === 'string' ? { source: code } : { files: code };
      await executor.deploy({ name, runtime: 'isolate', code: upload, ...spec });
    },
    async result(name, event, request) {
      const answer = await invoke(name, event, request);
      expect(answer.receipt.error).toBeNull();
      return answer.result;
    },
    async failure(name, event, request) {
      const answer = await invoke(name, event, request);
      if (answer.status === 'succeeded')
        throw new Error(`it succeeded with ${JSON.stringify(answer.result)}`);
      checkFailed(answer);
      return answer;
    },
    holding: (name) =>
      pool().sandboxes.filter(({ instances }) =>
        instances.some((instance) => instance.function === `${name}@$LATEST`),
      ),
  };
};

/** What a receipt of any failed invocation says. */
const checkFailed = ({ receipt, failure }: FailedAnswer): void => {
  expect(receipt.status).toBe('failed');
  expect(receipt.error).toMatchObject({ code: failure.code, detail: failure.detail });
  expect(receipt.limit).toEqual(failure.limit);
  for (const ms of Object.values(receipt.phasesMs)) expect(ms).toBeGreaterThanOrEqual(0);
  expect(receipt.usage.wallMs).toBeCloseTo(
    receipt.phasesMs.load + receipt.phasesMs.init + receipt.phasesMs.handler,
    2,
  );
  expect(receipt.usage.cpuMs).toBeGreaterThanOrEqual(receipt.usage.initCpuMs);
  expect(receipt.cost.cuSeconds).toBeCloseTo(receipt.usage.cpuMs / 1000, 8);
};

/** Expects that a limit was reached, says which it was, and that what was seen is at or past it. */
export const expectLimit = (
  { limit }: Failure,
  kind: NonNullable<Failure['limit']>['kind'],
  configured: number,
): void => {
  expect(limit).toMatchObject({ kind, configured });
  if (limit?.observed != null) expect(limit.observed).toBeGreaterThanOrEqual(configured);
};

/** Invocations that stay in the handler until they are told to go on: each waits in an instance of its own. */
export const HOLD =
  'exports.handler = (event) => new Promise((resolve) => { setTimeout(resolve, event.ms, event.ms); });';

/**
 * Waits, within bounds, for something that only time brings: the pool demotes by its own timers and tells nobody.
 * Answers whether it came.
 */
export const eventually = async (limitMs: number, came: () => boolean): Promise<boolean> => {
  const endMs = performance.now() + limitMs;
  while (!came()) {
    if (performance.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
};
