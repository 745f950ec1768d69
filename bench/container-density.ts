/**
 * Question: what memory does an idle container take, at each layer?
 *
 * Some containers of each runtime are taken through the layers together, straight from the tier: the pool would boot
 * a runtime in each at once. Reads the processes of the containers and the kernel's account of their control groups.
 * A function counts as loaded only when it has answered as expected.
 */
import { createHash } from 'node:crypto';
import { loadConfig } from '../src/config/config.ts';
import { CONTAINER_RUNTIMES, type ContainerRuntime, textFiles } from '../src/core/spec.ts';
import { systemClock } from '../src/ports/clock.ts';
import { systemRandom } from '../src/ports/random.ts';
import type { Carrier, Instance, LoadRequest, SandboxTier } from '../src/sandbox/api.ts';
import { openCgroup } from '../src/sandbox/container/cgroup.ts';
import { createContainerTiers } from '../src/sandbox/container/tiers.ts';
import { verifyBody } from './harness/call-rounds.ts';
import { pause, Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { describeEngine, firstProcessOf } from './harness/containers.ts';
import { BOOTSTRAP_SOURCE, FUNCTION_SOURCE, PYTHON_SOURCE } from './harness/peers.ts';
import { descendantsOf, readMemory, readParentPid } from './harness/proc.ts';
import { type Comparison, compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, sum } from './harness/stats.ts';

const FULL = { containers: 5, settleMs: 2_000 };
const QUICK = { containers: 2, settleMs: 300 };
type Sizes = typeof FULL;

/** What an idle container may have of its own at layer `container`, MB. */
const OWN_MAX_MB: Readonly<Record<ContainerRuntime, number>> = { nodejs24: 12, python3: 10, provided: 12 };

export const containerDensity: Bench = {
  question: 'container-density',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const samples = await measureAll(sizes);
    return {
      sizes: { ...sizes, engine: await describeEngine() },
      rows: samples.map(toRow),
      comparisons: CONTAINER_RUNTIMES.flatMap((runtime) => compareAll(runtime, samples)),
      notes: NOTES,
    };
  },
};

const NOTES = [
  'Means of the containers, in MB of 10^6 bytes. Own: private pages of its processes, clean and dirty; proportional: with a share of the pages that are shared, those of the image among all that map them. Both from smaps_rollup.',
  'Charged: all that the kernel has on the account of the control group, its own data structures and cached files among them; data: of that the anonymous memory and tmpfs.',
  'Layer container: the agent alone. Layer container once more: after a function was ended in it; in Python the zygote stays.',
  'Layer code: the function is loaded and has answered once. provided: a bootstrap in POSIX shell with curl; its layer runtime is the agent alone.',
  'Engine own: private pages of the process that the engine keeps beside each container, not in the other figures.',
];

const FRESH = 'container';
const AGAIN = 'container once more';
const LAYERS = [FRESH, 'runtime', 'code', AGAIN];

interface Memory {
  readonly processes: number;
  readonly ownMb: number | null;
  readonly proportionalMb: number | null;
  readonly chargedMb: number | null;
  readonly dataMb: number | null;
  readonly engineOwnMb: number | null;
}

interface Sample {
  readonly runtime: ContainerRuntime;
  readonly layer: string;
  readonly memory: Memory | null;
  readonly reason: string | null;
}

/** Both states of the layer, and by both accounts: the larger one counts. */
const compareAll = (runtime: ContainerRuntime, samples: readonly Sample[]): Comparison[] =>
  [FRESH, AGAIN].map((layer) => {
    const memory = samples.find((one) => one.runtime === runtime && one.layer === layer)?.memory;
    const { proportionalMb = null, chargedMb = null } = memory ?? {};
    const largest =
      proportionalMb === null || chargedMb === null ? null : Math.max(proportionalMb, chargedMb);
    const target = { atMost: OWN_MAX_MB[runtime] };
    return compare(`${runtime}, layer ${layer}, proportional or charged MB, the larger`, largest, target);
  });

const measureAll = (sizes: Sizes): Promise<Sample[]> =>
  Scope.run(async (scope) => {
    const samples: Sample[] = [];
    const config = loadConfig({ env: { DOCKER_HOST: process.env.DOCKER_HOST ?? '' } });
    const { tiers, unavailable, close } = await createContainerTiers({
      cpuShares: null,
      ...{ clock: systemClock, random: systemRandom, dataDir: scope.temporaryFolder() },
      ...{ settings: config.container, limits: config.limits },
      onFault: (message, details) => progress(`container-density: ${message} ${JSON.stringify(details)}`),
    });
    scope.own({ close });
    for (const runtime of CONTAINER_RUNTIMES) {
      const tier = tiers.get(runtime);
      try {
        if (tier === undefined) throw new Error(unavailable.get(runtime) ?? 'it is not served');
        await measureRuntime(scope.own(tier), runtime, sizes, (layer, memory) =>
          samples.push({ runtime, layer, memory, reason: null }),
        );
      } catch (error) {
        const reason = reasonOf(error);
        progress(`container-density: ${runtime}: ${reason}`);
        const seen = samples.filter((sample) => sample.runtime === runtime).map(({ layer }) => layer);
        for (const layer of LAYERS)
          if (!seen.includes(layer)) samples.push({ runtime, layer, memory: null, reason });
      }
    }
    return samples;
  });

const measureRuntime = async (
  tier: SandboxTier,
  runtime: ContainerRuntime,
  sizes: Sizes,
  take: (layer: string, memory: Memory) => void,
): Promise<void> => {
  const measure = async (layer: string): Promise<void> => {
    progress(`container-density: ${runtime}, ${layer}`);
    await pause(sizes.settleMs);
    const found: Memory[] = [];
    for (const { id } of carriers) found.push(await readContainer(id));
    take(layer, meanOf(found));
  };
  const carriers: Carrier[] = [];
  const instances: Instance[] = [];
  for (let count = 0; count < sizes.containers; count += 1) carriers.push(await tier.provision());
  await measure(FRESH);
  for (const carrier of carriers) instances.push(await carrier.boot(MEMORY_MB));
  await measure('runtime');
  for (const instance of instances) await loadAndCall(instance, runtime);
  await measure('code');
  for (const instance of instances) await instance.dispose();
  await measure(AGAIN);
  for (const carrier of carriers) carrier.kill('idle');
};

const MEMORY_MB = 128;
const LIMITS = { initTimeoutMs: 10_000, initCpuMs: 5_000, resultMaxBytes: 1_000_000, logMaxBytes: 65_536 };
const CALL = { invocationId: '00000000-0000-4000-8000-000000000000', timeoutMs: 10_000, cpuMs: 5_000 };

/** @throws when the function does not answer as expected. */
const loadAndCall = async (instance: Instance, runtime: ContainerRuntime): Promise<void> => {
  const loaded = await instance.load(loadRequest(runtime));
  if (loaded.failure !== null) throw new Error(`loading failed: ${loaded.failure.detail}`);
  const eventJson = Buffer.from('{"name":"Ada"}');
  const { resultJson, failure } = await instance.invoke({ ...CALL, eventJson });
  if (resultJson === null) throw new Error(`the call failed: ${failure.detail}`);
  verifyBody(Buffer.from(resultJson).toString('utf8'), 'Ada', 'fresh');
};

const FILES: Readonly<Record<ContainerRuntime, readonly [path: string, source: string]>> = {
  nodejs24: ['index.js', FUNCTION_SOURCE],
  python3: ['index.py', PYTHON_SOURCE],
  provided: ['bootstrap', BOOTSTRAP_SOURCE],
};

const loadRequest = (runtime: ContainerRuntime): LoadRequest => {
  const [path, source] = FILES[runtime];
  return {
    ...{ runtime, functionName: 'idle', functionVersion: '$LATEST', memoryMb: MEMORY_MB, ...LIMITS },
    codeDigest: createHash('sha256').update(source).digest('hex'),
    files: textFiles({ [path]: source }),
    handler: 'index.handler',
    entry: runtime === 'provided' ? null : { path, exportName: 'handler' },
    ...{ initializer: null, initializerEntry: null, env: {} },
  };
};

const readContainer = async (containerId: string): Promise<Memory> => {
  const { pid, id } = await firstProcessOf(containerId);
  const processes = [pid, ...descendantsOf(pid)].flatMap((one) => readMemory(one) ?? []);
  const cgroup = openCgroup(pid, id);
  const enginePid = readParentPid(pid);
  try {
    return {
      processes: processes.length,
      ownMb: sum(processes.map(({ ownMb }) => ownMb)),
      proportionalMb: sum(processes.map(({ proportionalMb }) => proportionalMb)),
      chargedMb: toMb(cgroup?.memoryBytes() ?? null),
      dataMb: toMb(cgroup?.ownBytes() ?? null),
      engineOwnMb: enginePid === null ? null : (readMemory(enginePid)?.ownMb ?? null),
    };
  } finally {
    cgroup?.close();
  }
};

const toMb = (bytes: number | null): number | null => (bytes === null ? null : bytes / 1e6);

const meanOf = (all: readonly Memory[]): Memory => {
  const mean = (of: (memory: Memory) => number | null): number | null => divide(sum(all.map(of)), all.length);
  return {
    processes: mean(({ processes }) => processes) ?? 0,
    ownMb: mean(({ ownMb }) => ownMb),
    proportionalMb: mean(({ proportionalMb }) => proportionalMb),
    chargedMb: mean(({ chargedMb }) => chargedMb),
    dataMb: mean(({ dataMb }) => dataMb),
    engineOwnMb: mean(({ engineOwnMb }) => engineOwnMb),
  };
};

const toRow = ({ runtime, layer, memory, reason }: Sample): Row =>
  row(`${runtime}, layer ${layer}`, { ...(memory ?? NOT_MEASURED) }, reason ?? unreadable(memory));

/** In the same columns. */
const NOT_MEASURED: Readonly<Record<keyof Memory, null>> = {
  ...{ processes: null, ownMb: null, proportionalMb: null, chargedMb: null, dataMb: null, engineOwnMb: null },
};

const unreadable = (memory: Memory | null): string | null =>
  memory !== null && Object.values(memory).includes(null)
    ? 'this user cannot read all of the files of its processes and its control group'
    : null;

if (import.meta.main) await runFromCommandLine(containerDensity);
