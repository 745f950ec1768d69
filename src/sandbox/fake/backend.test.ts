import { ISOLATE_DIALECT, sandboxContract } from '../../../test/contract/sandbox.suite.ts';
import { ManualClock } from '../../ports/manual-clock.ts';
import { seededRandom } from '../../ports/random.ts';
import { guardTier } from '../guard.ts';
import { fakeBackend } from './backend.ts';

sandboxContract('fake', async () => {
  const clock = new ManualClock();
  const backend = fakeBackend({ clock, capacity: 8, provisionMs: 20, bootMs: 1, loadMs: 1, handlerMs: 1 });
  const options = { clock, random: seededRandom(1), startTimeoutMs: 1_000, killGraceMs: 50, watchdog: null };
  return {
    tier: guardTier(backend, options),
    dialect: ISOLATE_DIALECT,
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
