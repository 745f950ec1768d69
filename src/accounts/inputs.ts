/**
 * Checks what callers say of tenants and keys.
 *
 * Owns the refusals that need nothing but the input. Invariant: what comes out shares no object with what came in.
 */
import { StrataError } from '../core/errors.ts';
import { SCOPES, type Scope } from '../core/identity.ts';
import { DESCRIPTION_MAX_LENGTH, TENANT_NAME_PATTERN } from '../core/limits.ts';
import type { KeyInput, Quotas, TenantInput, TenantState } from './api.ts';

const QUOTA_BOUNDS: Readonly<Record<keyof Quotas, { readonly min: number; readonly max: number }>> = {
  requestsPerSecond: { min: 1, max: 1_000_000 },
  maxInFlight: { min: 1, max: 1_000_000 },
  maxFunctions: { min: 0, max: 1_000_000 },
  maxCodeBytes: { min: 0, max: 1_099_511_627_776 },
};

/** How long an old key may hold beside the one that replaces it. */
const OVERLAP_MAX_MS = 30 * 86_400_000;

export interface CheckedTenant {
  readonly description?: string;
  readonly state?: TenantState;
  readonly quotas: ReadonlyMap<keyof Quotas, number | null>;
}

export interface CheckedKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresMs: number | null;
  readonly signing: boolean;
}

export const isTenantName = (name: unknown): name is string =>
  typeof name === 'string' && name.length <= 64 && TENANT_NAME.test(name);

/** @throws StrataError `invalid_request`. */
export const checkTenantName = (name: unknown): string => {
  if (isTenantName(name)) return name;
  return refuse(
    `The tenant ${shown(name)} is not allowed; use a letter or digit, then letters, digits, "-" and "_", 64 characters ` +
      'at most.',
  );
};

/** @throws StrataError `invalid_request`. */
export const checkTenant = (input: TenantInput): CheckedTenant => {
  const given = fieldsOf(input, ['description', 'state', 'quotas']);
  const { description, state } = given;
  if (state !== undefined && state !== 'active' && state !== 'disabled')
    return refuse(`state: must be active or disabled; seen ${shown(state)}.`);
  const quotas = new Map<keyof Quotas, number | null>();
  for (const [name, value] of Object.entries(
    given.quotas === undefined ? {} : fieldsOf(given.quotas, QUOTA_NAMES),
  ))
    quotas.set(name as keyof Quotas, checkQuota(name as keyof Quotas, value));
  return {
    quotas,
    ...(state === undefined ? {} : { state }),
    ...(description === undefined
      ? {}
      : { description: textOf('description', description, DESCRIPTION_MAX_LENGTH) }),
  };
};

/** @throws StrataError `invalid_request`. */
export const checkKey = (input: KeyInput, nowMs: number): CheckedKey => {
  const given = fieldsOf(input, ['name', 'scopes', 'expiresAt', 'signing']);
  const { scopes, signing = false } = given;
  if (!Array.isArray(scopes) || scopes.length === 0)
    return refuse(`scopes: must be a list of ${SCOPES.join(', ')}, one at least; seen ${shown(scopes)}.`);
  const unknown: unknown = scopes.find((scope) => !SCOPES.includes(scope as Scope));
  if (unknown !== undefined) return refuse(`scopes: ${shown(unknown)} is unknown; use ${SCOPES.join(', ')}.`);
  if (typeof signing !== 'boolean') return refuse(`signing: must be true or false; seen ${shown(signing)}.`);
  return {
    name: textOf('name', given.name ?? '', KEY_NAME_MAX_LENGTH),
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    expiresMs: expiryOf(given.expiresAt ?? null, nowMs),
    signing,
  };
};

/** @throws StrataError `invalid_request`. */
export const checkOverlap = (input: { readonly overlapMs?: number }): number | undefined => {
  const { overlapMs } = fieldsOf(input, ['overlapMs']);
  if (overlapMs === undefined) return undefined;
  if (isWhole(overlapMs) && overlapMs >= 0 && overlapMs <= OVERLAP_MAX_MS) return overlapMs;
  return refuse(`overlapMs: must be a whole number from 0 to ${OVERLAP_MAX_MS}; seen ${shown(overlapMs)}.`);
};

/** A page's size. @throws StrataError `invalid_request`. */
export const checkLimit = (limit: number): number => {
  if (isWhole(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  return refuse(`limit is ${shown(limit)}; a whole number from 1 to ${LIMIT_MAX} is allowed.`);
};

const TENANT_NAME = new RegExp(TENANT_NAME_PATTERN);
const QUOTA_NAMES = Object.keys(QUOTA_BOUNDS);
const KEY_NAME_MAX_LENGTH = 128;
const LIMIT_MAX = 1_000;
const SHOWN_MAX = 64;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/;

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

const fieldsOf = (input: unknown, known: readonly string[]): Readonly<Record<string, unknown>> => {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return refuse(`An object with ${known.join(', ')} is expected; seen ${shown(input)}.`);
  const unknown = Object.keys(input).find((field) => !known.includes(field));
  if (unknown !== undefined)
    return refuse(`The field ${shown(unknown)} is unknown; there are ${known.join(', ')}.`);
  return { ...input };
};

const checkQuota = (name: keyof Quotas, value: unknown): number | null => {
  const { min, max } = QUOTA_BOUNDS[name];
  if (value === null) return null;
  if (isWhole(value) && value >= min && value <= max) return value;
  return refuse(
    `quotas.${name}: must be a whole number from ${min} to ${max}, or null; seen ${shown(value)}.`,
  );
};

const textOf = (field: string, value: unknown, max: number): string => {
  if (typeof value === 'string' && value.length <= max && value.isWellFormed()) return value;
  return refuse(`${field}: must be a text of at most ${max} characters; seen ${shown(value)}.`);
};

const expiryOf = (value: unknown, nowMs: number): number | null => {
  if (value === null) return null;
  const expiresMs = typeof value === 'string' && DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(expiresMs))
    return refuse(`expiresAt: must be a date such as 2030-01-31T00:00:00Z; seen ${shown(value)}.`);
  if (expiresMs <= nowMs) return refuse(`expiresAt: ${shown(value)} is past; give a time to come.`);
  return expiresMs;
};

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`;
};

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
