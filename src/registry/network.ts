/**
 * Checks what a spec says about the network.
 *
 * Owns the refusals. Never resolves a name. Invariant: what comes out is canonical, has no entry twice, and names no
 * addresses that the operator keeps from functions.
 */
import { StrataError } from '../core/errors.ts';
import type { Range } from '../egress/addresses.ts';
import { parseAllowEntry, refusalOfEntry } from '../egress/allow-list.ts';
import { shown } from './spec-errors.ts';

/** What the operator allows. */
export interface NetworkRules {
  /** Functions may have a network at all. */
  readonly offered: boolean;
  /** Addresses that entries may name although they are refused to all others. */
  readonly privateRanges: readonly Range[];
}

export const PUBLIC_NETWORK: NetworkRules = { offered: true, privateRanges: [] };

/** @throws StrataError `invalid_request` naming the entry and what is wrong with it. */
export const completeAllow = (allow: readonly string[], rules: NetworkRules): readonly string[] => {
  if (allow.length === 0) return Object.freeze([]);
  if (!rules.offered)
    refuse(`network.allow: ${shown(allow)} is not offered here: egress.mode is off. Leave the list empty.`);
  const texts = allow.map((text) => {
    const entry = parseAllowEntry(text);
    const wrong = typeof entry === 'string' ? entry : refusalOfEntry(entry, rules.privateRanges);
    if (wrong !== null) refuse(`network.allow: ${shown(text)} ${wrong}.`);
    return typeof entry === 'string' ? text : entry.text;
  });
  return Object.freeze([...new Set(texts)]);
};

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
