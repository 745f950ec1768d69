/**
 * All attacks, group by group.
 *
 * Owns the order only; the numbers 1 to 114 are each there once, which a test holds.
 */
import type { AttackCase } from '../case.ts';
import { API_CASES } from './api.ts';
import { ASYNC_CASES } from './async.ts';
import { CPU_CASES } from './cpu.ts';
import { CROSS_CASES } from './cross.ts';
import { ERROR_CASES } from './error.ts';
import { ESCAPE_CASES } from './escape.ts';
import { MEMORY_CASES } from './memory.ts';
import { NETWORK_CASES } from './network.ts';
import { OUTPUT_CASES } from './output.ts';
import { PRIVILEGE_CASES } from './privilege.ts';
import { PROCESS_CASES } from './processes.ts';
import { PROTOCOL_CASES } from './protocol.ts';
import { RESULT_CASES } from './result.ts';
import { UPLOAD_CASES } from './upload.ts';

export const CORPUS: readonly AttackCase[] = [
  ...CPU_CASES,
  ...ASYNC_CASES,
  ...ERROR_CASES,
  ...MEMORY_CASES,
  ...OUTPUT_CASES,
  ...RESULT_CASES,
  ...ESCAPE_CASES,
  ...CROSS_CASES,
  ...PROCESS_CASES,
  ...PRIVILEGE_CASES,
  ...PROTOCOL_CASES,
  ...NETWORK_CASES,
  ...UPLOAD_CASES,
  ...API_CASES,
];
