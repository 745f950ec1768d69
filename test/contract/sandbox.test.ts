import { systemClock } from '../../src/ports/clock.ts';
import { ManualClock } from '../../src/ports/manual-clock.ts';
import { systemProcesses } from '../../src/ports/processes.ts';
import { seededRandom, systemRandom } from '../../src/ports/random.ts';
import { fakeBackend } from '../../src/sandbox/fake/backend.ts';
import { guardTier } from '../../src/sandbox/guard.ts';
import { createIsolateTier } from '../../src/sandbox/isolate/tier.ts';
import { sandboxContract } from './sandbox.suite.ts';

sandboxContract('fake', async () => {
  const clock = new ManualClock();
  const backend = fakeBackend({ clock, capacity: 8, provisionMs: 20, bootMs: 1, loadMs: 1, handlerMs: 1 });
  const options = { clock, random: seededRandom(1), startTimeoutMs: 1_000, killGraceMs: 50, watchdog: null };
  return {
    tier: guardTier(backend, options),
    async settle(promise) {
      let settled = false;
      const done = (): void => {
        settled = true;
      };
      promise.then(done, done);
      for (let step = 0; !settled && step < 200; step += 1) await clock.advance(1);
      for (let step = 0; !settled && step < 200; step += 1) await clock.advance(1_000);
      return promise;
    },
  };
});

sandboxContract('isolate', async () => ({
  tier: await createIsolateTier({
    ...{ clock: systemClock, random: systemRandom, processes: systemProcesses, confinement: 'auto' },
    ...{ maxInstancesPerHost: 8, startTimeoutMs: 10_000, killGraceMs: 200 },
    watchdog: { intervalMs: 20, slackMb: 96, maxMb: 1_024 },
    ...{ eventMaxBytes: 1_000_000, resultMaxBytes: 1_000_000, codeMaxBytes: 1_000_000, logMaxBytes: 10_000 },
  }),
  settle: (promise) => promise,
}));
