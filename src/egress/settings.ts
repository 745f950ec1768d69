/**
 * The settings of the egress broker that are lists, read.
 *
 * Owns their form: separated by commas. Never fills defaults.
 */
import { isIP } from 'node:net';
import { StrataError } from '../core/errors.ts';
import { parseRange, type Range } from './addresses.ts';

/** @throws StrataError `invalid_request` for what is no range. */
export const privateRangesOf = (text: string): readonly Range[] =>
  itemsOf(text).map((item) => {
    const range = parseRange(item);
    if (typeof range !== 'string') return range;
    throw new StrataError(
      'invalid_request',
      `egress.privateRanges: ${JSON.stringify(item)} is no range: ${range}.`,
    );
  });

/** @throws StrataError `invalid_request` for what is no address with or without a port. */
export const dnsServersOf = (text: string): readonly string[] =>
  itemsOf(text).map((item) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+))(?::([0-9]{1,5}))?$/.exec(item) ?? [];
    const isSound = isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4 || isIP(item) === 6;
    if (isSound && Number(port ?? 53) <= 65_535) return item;
    throw new StrataError(
      'invalid_request',
      `egress.dnsServers: ${JSON.stringify(item)} is no name server; write it as 192.0.2.53 or [2001:db8::53]:5353.`,
    );
  });

const itemsOf = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
