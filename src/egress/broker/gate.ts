/**
 * Decides whether a function may reach a host and port, and at which addresses.
 *
 * Owns the decision. Invariants: a name is resolved once and only when it is listed, so names that are not carry nothing
 * out; every address that it resolves to has to be allowed, so an answer that mixes good ones with bad ones is refused;
 * whoever connects uses the addresses that come out here and asks no resolver again.
 */
import { type Address, isInRange, kindOf, parseAddress, type Range } from '../addresses.ts';
import { type AllowEntry, allowsAny, listsName, namesAddress } from '../allow-list.ts';
import { denied, failed, NetworkError } from '../failures.ts';
import { targetOf } from './request-head.ts';

export interface Gate {
  /** All addresses of a name; rejects with an error that has the system's code. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  /** The addresses of this machine, as they are now. */
  readonly ownAddresses: () => ReadonlySet<string>;
  /** What the operator lets entries name. */
  readonly privateRanges: readonly Range[];
}

/** A name with very many addresses would be a way to keep the broker busy. */
const ADDRESSES_MAX = 64;

/**
 * The addresses to connect to, in order.
 * @throws NetworkError `network_denied`, or why the name has no address.
 */
export const pass = async (
  gate: Gate,
  entries: readonly AllowEntry[],
  host: string,
  port: number,
): Promise<readonly Address[]> => {
  const target = targetOf({ host, port });
  const literal = parseAddress(host);
  if (literal !== null) {
    const kind = kindOf(literal, gate.ownAddresses());
    const isListed = namesAddress(entries, literal, port);
    if (!isListed && !(kind === 'public' && allowsAny(entries, port))) throw notListed(target);
    if (kind !== 'public' && !isPrivateAllowed(gate, literal))
      throw new NetworkError(denied(`${target} is refused to all functions: a ${kind} address`));
    return [literal];
  }
  if (!listsName(entries, host, port)) throw notListed(target);
  const addresses = await resolve(gate, host);
  const own = gate.ownAddresses();
  for (const address of addresses) {
    const kind = kindOf(address, own);
    if (kind === 'public') continue;
    if (namesAddress(entries, address, port) && isPrivateAllowed(gate, address)) continue;
    throw new NetworkError(
      denied(
        `${target} resolves to a ${kind} address, which is refused unless network.allow names it and the operator ` +
          'lists its range',
      ),
    );
  }
  return addresses;
};

const isPrivateAllowed = ({ privateRanges }: Gate, address: Address): boolean =>
  privateRanges.some((range) => isInRange(range, address));

const resolve = async (gate: Gate, name: string): Promise<readonly Address[]> => {
  const texts = await gate.resolve(name);
  const addresses = texts.slice(0, ADDRESSES_MAX).map((text) => parseAddress(text));
  const sound = addresses.filter((address) => address !== null);
  if (sound.length === 0 || sound.length !== addresses.length)
    throw new NetworkError(failed('ENOTFOUND', `${name} has no address`));
  return sound;
};

const notListed = (target: string): NetworkError =>
  new NetworkError(denied(`${target} is not in network.allow of the function`));
