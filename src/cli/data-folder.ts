/**
 * Work on the accounts in a data folder without a server: what an operator on the machine may do without a key.
 *
 * Whoever can write the folder could do the same with any tool; that is the whole of the permission. The database is
 * opened for one process alone, so that a server that runs is never changed behind its back.
 */
import { existsSync } from 'node:fs';
import { openAccounts, type StoredAccounts } from '../accounts/accounts.ts';
import { loadConfig } from '../config/config.ts';
import { StrataError } from '../core/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { systemRandom } from '../ports/random.ts';

/** A server that runs keeps the folder for as long as it does. */
const BUSY_TIMEOUT_MS = 500;

export interface Noted {
  /** How the audit log names it; null for what changes nothing. */
  readonly noting: string | null;
  readonly tenant: string;
}

/** @throws StrataError `conflict` while a server has the folder, and what `work` throws. */
export const onDataFolder = <Result>(
  dataDir: string,
  { noting, tenant }: Noted,
  work: (accounts: StoredAccounts) => Result,
): Result => {
  if (noting === null && !existsSync(dataDir))
    throw new StrataError('not_found', `There is no data folder ${dataDir}; correct --data-dir.`);
  const accounts = openAccounts({
    settings: loadConfig({ overrides: { dataDir } }),
    ...{ clock: systemClock, random: systemRandom, fetch, busyTimeoutMs: BUSY_TIMEOUT_MS },
    onFault: () => {},
  });
  try {
    const result = work(accounts);
    if (noting !== null)
      accounts.addAudit({
        ...{ principal: 'operator', tenant, action: noting.split('/', 1)[0]?.trim() ?? '' },
        ...{ target: noting.slice(noting.indexOf('/')), from: 'data folder', digest: null },
        ...{ outcome: 'succeeded', status: 200 },
      });
    return result;
  } finally {
    accounts.close();
  }
};
