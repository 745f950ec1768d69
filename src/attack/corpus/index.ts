/**
 * All attacks, group by group.
 *
 * Owns the order only; the numbers 1 to 114 are each there once, which a test holds.
 */
import type { AttackCase } from '../case.ts';
import { API_CASES } from './api.ts';
import { CPU_CASES } from './cpu.ts';
import { NETWORK_CASES } from './network.ts';
import { UPLOAD_CASES } from './upload.ts';

export const CORPUS: readonly AttackCase[] = [...CPU_CASES, ...NETWORK_CASES, ...UPLOAD_CASES, ...API_CASES];
