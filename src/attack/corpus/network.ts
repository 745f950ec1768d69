/**
 * Attacks on the network: of functions without one, and of functions that have more than they may use.
 */
import type { AttackCase } from '../case.ts';
import { NETWORK_MEANS_CASES } from './network-means.ts';
import { NETWORK_REACH_CASES } from './network-reach.ts';

export const NETWORK_CASES: readonly AttackCase[] = [...NETWORK_REACH_CASES, ...NETWORK_MEANS_CASES];
