/**
 * The way of a request through the gate, in time.
 *
 * Owns how long a name may take, and the parsed lists: they repeat from request to request.
 */
import type { Clock } from '../../ports/clock.ts';
import type { Address } from '../addresses.ts';
import { type AllowEntry, parseAllowList } from '../allow-list.ts';
import { failed, NetworkError } from '../failures.ts';
import { type Gate, pass } from './gate.ts';

export interface AdmissionParts {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly options: { readonly connectTimeoutMs: number };
}

const PARSED_MAX = 1_000;
const PARSED = new Map<string, readonly AllowEntry[]>();

/**
 * The addresses that were checked. A name server that stays silent is given up; what it says later is not waited for.
 * @throws NetworkError why the request may not go on.
 */
export const admit = (
  { gate, clock, options }: AdmissionParts,
  allow: readonly string[],
  { host, port }: { readonly host: string; readonly port: number },
): Promise<readonly Address[]> => {
  const resolving = pass(gate, entriesOf(allow), host, port);
  const { connectTimeoutMs } = options;
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(connectTimeoutMs, () =>
      reject(new NetworkError(failed('ETIMEOUT', `${host} was not resolved within ${connectTimeoutMs} ms`))),
    );
    resolving.then(resolve, reject).finally(() => timer.cancel());
  });
};

const entriesOf = (allow: readonly string[]): readonly AllowEntry[] => {
  const key = allow.join(' ');
  const known = PARSED.get(key);
  if (known !== undefined) return known;
  if (PARSED.size >= PARSED_MAX) PARSED.clear();
  const entries = parseAllowList(allow);
  PARSED.set(key, entries);
  return entries;
};
