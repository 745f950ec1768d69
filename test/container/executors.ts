/**
 * An executor with containers and a data folder of its own, so that what it makes can be told from what others make.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { ContainerRuntime, FunctionSpecInput } from '../../src/core/spec.ts';
import {
  type ConfigOverrides,
  createExecutor,
  type Executor,
  type InvokeAnswer,
  type InvokeRequest,
} from '../../src/index.ts';
import type { SandboxView, TierView } from '../../src/pool/api.ts';
import type { PolicyName } from '../../src/pool/policy/api.ts';
import { dockerEngine, type ListedContainer } from '../../src/sandbox/container/engine.ts';
import { ENGINE_HOST } from './availability.ts';

type ContainerOverrides = NonNullable<ConfigOverrides['container']>;

export interface Containers {
  readonly executor: Executor;
  readonly dataDir: string;
  readonly runDir: string;
  deploy(name: string, runtime: ContainerRuntime, source: string, spec?: Spec): Promise<void>;
  invoke(name: string, event?: unknown, request?: Partial<InvokeRequest>): Promise<InvokeAnswer>;
  /** The result; throws the failure when there is none. */
  result<Result>(name: string, event?: unknown, request?: Partial<InvokeRequest>): Promise<Result>;
  pool(runtime: ContainerRuntime): TierView;
  /** Sandboxes in which this function is loaded. */
  holding(name: string, runtime: ContainerRuntime): readonly SandboxView[];
  /** What the engine has of this executor. */
  listed(): Promise<readonly ListedContainer[]>;
  close(): Promise<void>;
}

type Spec = Partial<FunctionSpecInput> & { readonly tenant?: string };

const FILES: Readonly<Record<ContainerRuntime, string>> = {
  ...{ nodejs24: 'index.js', python3: 'index.py', provided: 'bootstrap' },
};

/**
 * @param engineHost another engine than that of these tests.
 * @param home `:memory:` for an executor that keeps nothing and shares its owner's name with others like it.
 */
export const openContainers = async (
  container: ContainerOverrides = {},
  engineHost = ENGINE_HOST,
  home: ':memory:' | null = null,
  policyName: PolicyName = 'strata',
): Promise<Containers> => {
  const dataDir = home ?? (await mkdtemp(join(tmpdir(), 'strata-data-')));
  const runDir = await mkdtemp(join(tmpdir(), 'strata-run-'));
  const executor = await createExecutor({
    dataDir,
    isolate: { pristineHosts: 0 },
    policy: { name: policyName },
    container: { mode: 'required', engineHost, pristine: 0, maxPristine: 0, runDir, ...container },
    logger: pino({ level: process.env.TEST_LOG ?? 'silent' }),
  });
  await executor.ready();
  const invoke: Containers['invoke'] = (name, event = {}, request = {}) =>
    executor.invoke({ function: name, event, ...request });
  const pool = (runtime: ContainerRuntime): TierView => {
    const view = executor.pools().tiers[runtime];
    if (view === undefined) throw new Error(`there is no pool for ${runtime}`);
    return view;
  };
  return {
    ...{ executor, dataDir, runDir, invoke, pool },
    async deploy(name, runtime, source, spec = {}) {
      await executor.deploy({ name, runtime, code: { files: { [FILES[runtime]]: source } }, ...spec });
    },
    async result(name, event, request) {
      const answer = await invoke(name, event, request);
      if (answer.status === 'failed')
        throw new Error(`${name} failed with ${answer.failure.code}: ${answer.failure.detail}`);
      return answer.result as never;
    },
    holding: (name, runtime) =>
      pool(runtime).sandboxes.filter(({ instances }) =>
        instances.some((instance) => instance.function === `${name}@$LATEST`),
      ),
    async listed() {
      const owner = (await readFile(join(dataDir, 'container-owner'), 'utf8')).trim();
      return dockerEngine(engineHost).list({ 'strata.owner': owner });
    },
    async close() {
      await executor.close();
      if (home === null) await rm(dataDir, { recursive: true, force: true });
      await rm(runDir, { recursive: true, force: true });
    },
  };
};
