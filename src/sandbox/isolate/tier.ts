/**
 * Puts the isolate tier together: the tightest jail that works on this machine, behind the guard.
 *
 * Owns the choice of the jail. It is made by starting a real host in each candidate, because whether namespaces,
 * users and files work out is not to be guessed.
 */
import { StrataError } from '../../core/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Processes } from '../../ports/processes.ts';
import type { Random } from '../../ports/random.ts';
import type { SandboxTier } from '../api.ts';
import type { BackendEvents } from '../backend.ts';
import type { CpuShares } from '../cpu-shares.ts';
import { type GuardOptions, guardTier, type WatchdogOptions } from '../guard.ts';
import { NETWORK_FRAME_MAX_BYTES } from '../protocol/network-frames.ts';
import { type Assets, prepareAssets, sweepAssets } from './assets.ts';
import { type IsolateBackendOptions, isolateBackend } from './backend.ts';
import { type Jail, possibleJails } from './jail.ts';

export interface IsolateTierOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly processes: Processes;
  /** `auto`, or the kind of confinement that must be used. */
  readonly confinement: 'auto' | 'bubblewrap' | 'unshare' | 'process';
  readonly maxInstancesPerHost: number;
  readonly startTimeoutMs: number;
  readonly killGraceMs: number;
  readonly watchdog: WatchdogOptions;
  /** Null where CPU time is not divided. */
  readonly cpuShares: CpuShares | null;
  readonly eventMaxBytes: number;
  readonly resultMaxBytes: number;
  readonly codeMaxBytes: number;
  readonly logMaxBytes: number;
  /** Redirects that one `fetch` follows. */
  readonly redirectsMax: number;
  readonly onFault?: GuardOptions['onFault'];
}

const TIMERS_MAX = 1_000;
/** More is refused inside already; what may really be at once is for the egress broker's settings to say. */
const REQUESTS_MAX = 1_000;
const METER_INTERVAL_MS = 5;
/** JSON may escape each character of a log line or of code to six. */
const ESCAPED = 6;
/** What a log line costs beside its message, which may be empty: level, time, quotes, brackets. */
const LOG_LINE_BYTES = 40;
const FRAME_SLACK_BYTES = 64 * 1024;

/** @throws StrataError `runtime_unavailable` when no candidate brings a host up. */
export const createIsolateTier = async (options: IsolateTierOptions): Promise<SandboxTier> => {
  await sweepAssets();
  const assets = await prepareAssets();
  const hostOptions: IsolateBackendOptions['hostOptions'] = {
    maxFrameBytes:
      Math.max(
        ...[options.eventMaxBytes, options.resultMaxBytes, options.codeMaxBytes * ESCAPED],
        NETWORK_FRAME_MAX_BYTES,
      ) +
      options.logMaxBytes * (ESCAPED + LOG_LINE_BYTES) +
      FRAME_SLACK_BYTES,
    logMaxBytes: options.logMaxBytes,
    resultMaxBytes: options.resultMaxBytes,
    ...{ timersMax: TIMERS_MAX, requestsMax: REQUESTS_MAX, redirectsMax: options.redirectsMax },
    meterIntervalMs: METER_INTERVAL_MS,
  };
  const backendFor = (jail: Jail, cpuShares: CpuShares | null = null) =>
    isolateBackend({
      cpuShares,
      ...{ jail, hostOptions, processes: options.processes, capacity: options.maxInstancesPerHost },
      release: () => assets.dispose(),
    });
  try {
    const jail = await tightestJail(assets, options.confinement, (candidate) =>
      tryOut(backendFor(candidate)),
    );
    return guardTier(backendFor(jail, options.cpuShares), options);
  } catch (thrown) {
    await assets.dispose();
    throw thrown;
  }
};

const tightestJail = async (
  assets: Assets,
  wanted: IsolateTierOptions['confinement'],
  works: (jail: Jail) => Promise<string | null>,
): Promise<Jail> => {
  const reasons: string[] = [];
  for (const jail of possibleJails(assets)) {
    if (wanted !== 'auto' && jail.confinement.kind !== wanted) continue;
    const reason = await works(jail);
    if (reason === null) return jail;
    reasons.push(`${jail.confinement.kind}: ${reason}`);
  }
  throw new StrataError(
    'runtime_unavailable',
    `No isolate host can be started with confinement ${wanted}. ` +
      `${reasons.join('; ') || 'This machine offers no such confinement'}. Run \`strata doctor\`.`,
  );
};

/** Starts one host and ends it; returns why that failed, or null. */
const tryOut = async (backend: ReturnType<typeof isolateBackend>): Promise<string | null> => {
  try {
    const carrier = await backend.provision(NO_EVENTS, new AbortController().signal);
    carrier.kill();
    await carrier.exited;
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

const nothing = (): void => undefined;
const NO_EVENTS: BackendEvents = {
  ...{ booted: nothing, bootFailed: nothing, loaded: nothing, settled: nothing, parked: nothing },
  ...{ disposed: nothing, instanceEnded: nothing, catastrophe: nothing, unasked: nothing, violated: nothing },
};

/** What each kind of confinement comes to on this machine, the tightest first: for `strata doctor`. */
export const surveyConfinement = async (
  processes: Processes,
): Promise<readonly { jail: Jail; reason: string | null }[]> => {
  const assets = await prepareAssets();
  const hostOptions = {
    ...{ maxFrameBytes: FRAME_SLACK_BYTES, logMaxBytes: 1024, resultMaxBytes: 1024 },
    ...{
      timersMax: TIMERS_MAX,
      requestsMax: REQUESTS_MAX,
      redirectsMax: 0,
      meterIntervalMs: METER_INTERVAL_MS,
    },
  };
  try {
    const survey: { jail: Jail; reason: string | null }[] = [];
    for (const jail of possibleJails(assets)) {
      const backend = isolateBackend({
        jail,
        hostOptions,
        processes,
        capacity: 1,
        cpuShares: null,
        release: async () => undefined,
      });
      survey.push({ jail, reason: await tryOut(backend) });
    }
    return survey;
  } finally {
    await assets.dispose();
  }
};
