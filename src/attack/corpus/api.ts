/**
 * Attacks on the server itself, by whoever can reach it.
 */
import type { AttackCase } from '../case.ts';
import { API_FRAMING_CASES } from './api-framing.ts';
import { API_IDENTITY_CASES } from './api-identity.ts';
import { API_JSON_CASES } from './api-json.ts';
import { API_LOAD_CASES } from './api-load.ts';
import { API_PAGES_CASES } from './api-pages.ts';

export const API_CASES: readonly AttackCase[] = [
  ...API_FRAMING_CASES,
  ...API_LOAD_CASES,
  ...API_JSON_CASES,
  ...API_IDENTITY_CASES,
  ...API_PAGES_CASES,
];
