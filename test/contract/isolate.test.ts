import { systemClock } from '../../src/ports/clock.ts';
import { systemProcesses } from '../../src/ports/processes.ts';
import { systemRandom } from '../../src/ports/random.ts';
import { createIsolateTier } from '../../src/sandbox/isolate/tier.ts';
import { ISOLATE_DIALECT, sandboxContract } from './sandbox.suite.ts';

sandboxContract('isolate', async () => ({
  tier: await createIsolateTier({
    ...{ clock: systemClock, random: systemRandom, processes: systemProcesses, confinement: 'auto' },
    ...{ maxInstancesPerHost: 8, startTimeoutMs: 10_000, killGraceMs: 200 },
    cpuShares: null,
    watchdog: { intervalMs: 20, slackMb: 96, maxMb: 1_024 },
    ...{
      eventMaxBytes: 1_000_000,
      resultMaxBytes: 1_000_000,
      codeMaxBytes: 1_000_000,
      logMaxBytes: 10_000,
      redirectsMax: 5,
    },
  }),
  dialect: ISOLATE_DIALECT,
  settle: (promise) => promise,
}));
