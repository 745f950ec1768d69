/**
 * Containers below the pool, for tests that look into one: made by the real backend behind the real guard.
 *
 * Owns what it starts: `close` ends it. The engine, the settings and the kernel's account can be replaced, which is
 * how the tests show what happens on machines that are not like this one.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { textFiles } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { systemRandom } from '../../src/ports/random.ts';
import { entryFile } from '../../src/registry/entry.ts';
import type {
  Carrier,
  Instance,
  InvokeOutcome,
  LoadOutcome,
  LoadRequest,
  SandboxTier,
} from '../../src/sandbox/api.ts';
import { type ContainerBackendOptions, containerBackend } from '../../src/sandbox/container/backend.ts';
import { confinementOf } from '../../src/sandbox/container/confinement.ts';
import { type ContainerEngine, dockerEngine } from '../../src/sandbox/container/engine.ts';
import { expectedImage } from '../../src/sandbox/container/images/state.ts';
import { Ownership } from '../../src/sandbox/container/ownership.ts';
import { Removals } from '../../src/sandbox/container/removals.ts';
import { UserIds } from '../../src/sandbox/container/user-ids.ts';
import { guardTier } from '../../src/sandbox/guard.ts';
import { ENGINE_HOST } from './availability.ts';
import { TEST_SETTINGS } from './settings.ts';

export interface Sandboxes {
  readonly tier: SandboxTier;
  readonly engine: ContainerEngine;
  /** What an operator would read. */
  readonly faults: readonly string[];
  readonly runFolder: string;
  /** The containers that there are, by the engine's account. */
  containers(): Promise<readonly string[]>;
  /** A container with a function loaded in it. */
  serve(source: string, options?: Partial<LoadRequest>): Promise<Served>;
  /** Loads a function into an instance that is booted. */
  load(instance: Instance, source: string): Promise<{ readonly served: Served; readonly load: LoadOutcome }>;
  close(): Promise<void>;
}

export interface Served {
  readonly carrier: Carrier;
  readonly instance: Instance;
  invoke(event?: unknown, limits?: { timeoutMs?: number; cpuMs?: number }): Promise<InvokeOutcome>;
  /** The parsed result; throws the failure's text when there is none. */
  result(event?: unknown): Promise<unknown>;
  /** Ends the instance and loads other code in the same container. */
  again(source: string, options?: Partial<LoadRequest>): Promise<Served>;
}

export interface SandboxesOptions extends Partial<ContainerBackendOptions> {
  readonly startTimeoutMs?: number;
  readonly killGraceMs?: number;
  readonly memoryMb?: number;
}

const LABEL = 'strata.test';

export const openSandboxes = async (
  runtime: ContainerRuntime,
  options: SandboxesOptions = {},
): Promise<Sandboxes> => {
  const {
    startTimeoutMs = TEST_SETTINGS.startTimeoutMs,
    killGraceMs = TEST_SETTINGS.killGraceMs,
    memoryMb = TEST_SETTINGS.memoryMb,
    ...overrides
  } = options;
  const engine = overrides.engine ?? dockerEngine(ENGINE_HOST);
  const faults: string[] = [];
  const label = systemRandom.uuid();
  const runFolder = await mkdtemp(join(tmpdir(), 'strata-test-'));
  const onFault = (message: string, details: object): void =>
    void faults.push(`${message} ${JSON.stringify(details)}`);
  const image = await engine.image(await expectedImage(runtime));
  const backend = containerBackend({
    cpuShares: null,
    ...{ clock: systemClock, random: systemRandom, engine, runFolder, onFault },
    ownership: new Ownership(systemRandom, () => undefined),
    removals: new Removals(engine),
    confinement: confinementOf(await engine.info(), ''),
    template: {
      ...{ runtime, imageId: image?.id ?? '', ociRuntime: '', memoryMb, pidsMax: TEST_SETTINGS.pidsMax },
      ...{ tmpMb: 16, codeMb: 16, maxFrameBytes: 4e6, appArmor: false, labels: { [LABEL]: label } },
    },
    ...{ cpusFor: () => 1, users: new UserIds(systemRandom.nonce()), kernelChecked: true },
    metering: 'auto',
    ...{ freezeAfterMs: TEST_SETTINGS.freezeAfterMs, resultMaxBytes: 1e6, logMaxBytes: 10_000 },
    ...overrides,
  });
  const tier = guardTier(backend, {
    ...{ clock: systemClock, random: systemRandom, startTimeoutMs },
    ...{ killGraceMs, watchdog: null, onFault },
  });
  return {
    ...{ tier, engine, faults, runFolder },
    containers: async () => (await dockerEngine(ENGINE_HOST).list({ [LABEL]: label })).map(({ id }) => id),
    async serve(source, load = {}) {
      return loaded(await tier.provision(), { ...loadRequest(runtime, source, memoryMb), ...load });
    },
    async load(instance, source) {
      const request = loadRequest(runtime, source, memoryMb);
      const load = await instance.load(request);
      return { served: serving(instance.carrier, instance, request), load };
    },
    async close() {
      await tier.close();
      await rm(runFolder, { recursive: true, force: true });
    },
  };
};

const FILE: Readonly<Record<ContainerRuntime, string>> = {
  ...{ nodejs24: 'index.js', python3: 'index.py', provided: 'bootstrap' },
};

export const loadRequest = (runtime: ContainerRuntime, source: string, memoryMb: number): LoadRequest => {
  const files = textFiles({ [FILE[runtime]]: source });
  return {
    ...{ runtime, files, memoryMb, functionName: 'f', functionVersion: '1', handler: 'index.handler' },
    codeDigest: createHash('sha256').update(source).digest('hex'),
    entry: entryFile(files, 'index.handler', runtime),
    ...{ initializer: null, initializerEntry: null, env: {}, initTimeoutMs: 10_000 },
    ...{ initCpuMs: 10_000 },
    ...{ resultMaxBytes: 1e6, logMaxBytes: 10_000 },
  };
};

const loaded = async (carrier: Carrier, request: LoadRequest): Promise<Served> => {
  const instance = await carrier.boot(request.memoryMb);
  const { failure } = await instance.load(request);
  if (failure !== null) throw new Error(`${failure.code}: ${failure.detail}`);
  return serving(carrier, instance, request);
};

const serving = (carrier: Carrier, instance: Instance, request: LoadRequest): Served => {
  const invoke: Served['invoke'] = (event = {}, { timeoutMs = 10_000, cpuMs = 10_000 } = {}) =>
    instance.invoke({
      ...{
        invocationId: systemRandom.uuid(),
        eventJson: Buffer.from(JSON.stringify(event)),
        timeoutMs,
        cpuMs,
      },
    });
  return {
    ...{ carrier, instance, invoke },
    async result(event) {
      const { failure, resultJson } = await invoke(event);
      if (failure !== null) throw new Error(`${failure.code}: ${failure.detail}`);
      return JSON.parse(Buffer.from(resultJson).toString('utf8'));
    },
    async again(source, options = {}) {
      await instance.dispose();
      return loaded(carrier, {
        ...loadRequest(request.runtime as ContainerRuntime, source, request.memoryMb),
        ...options,
      });
    },
  };
};
