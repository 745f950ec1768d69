/**
 * Accounts in memory, or in a folder, for tests: with the configuration's defaults, and a clock that stands still.
 */
import { type ConfigOverrides, loadConfig } from '../config/config.ts';
import type { Clock } from '../ports/clock.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { type Random, seededRandom } from '../ports/random.ts';
import { openAccounts, type StoredAccounts } from './accounts.ts';

export interface FixtureOptions {
  readonly config?: ConfigOverrides;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly fetch?: typeof fetch;
  readonly busyTimeoutMs?: number;
  readonly onFault?: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

const noNetwork = (): never => {
  throw new Error('the test gave no network');
};

/** Of a server that was never given a key, unless the folder says otherwise. */
export const openAccountsFixture = (options: FixtureOptions = {}): StoredAccounts => {
  const { config = {}, clock = new ManualClock(), random = seededRandom(1), fetch = noNetwork } = options;
  const { busyTimeoutMs, onFault = () => {} } = options;
  return openAccounts({
    settings: loadConfig({ overrides: { dataDir: ':memory:', ...config } }),
    ...{ clock, random, fetch, onFault },
    ...(busyTimeoutMs === undefined ? {} : { busyTimeoutMs }),
  });
};
