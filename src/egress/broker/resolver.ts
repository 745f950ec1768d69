/**
 * Names to addresses, by asking name servers.
 *
 * Never asks the system's own lookup: that has four threads for everybody, and a name server that stays silent would keep
 * them. Both families are asked for; IPv4 comes first, because every machine has it.
 */
import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { parseAddress } from '../addresses.ts';

const TIMEOUT_MS = 2_000;
const TRIES = 2;

/** @param servers empty for the system's. */
export const dnsResolver = (servers: readonly string[]): ((name: string) => Promise<readonly string[]>) => {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return async (name) => {
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length === 0 && four.status === 'rejected') throw four.reason;
    return addresses;
  };
};

/** The addresses that this machine has now. */
export const machineAddresses = (): ReadonlySet<string> => {
  const own = new Set<string>();
  for (const list of Object.values(networkInterfaces())) {
    for (const { address } of list ?? []) {
      const [bare = ''] = address.split('%', 1);
      const parsed = parseAddress(bare);
      if (parsed !== null) own.add(parsed.text);
    }
  }
  return own;
};
