/**
 * Days of the UTC calendar as the ledger counts them: whole days since the epoch.
 *
 * Owns reading and writing them. Never reads a clock.
 */
import { StrataError } from '../core/errors.ts';

const DAY_MS = 86_400_000;

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const MIDNIGHT = /T00:00(?::00(?:\.0{1,3})?)?Z$/;

export const dayOf = (wallMs: number): number => Math.max(0, Math.floor(wallMs / DAY_MS));

export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** The first day of the month of a day. */
export const monthOf = (day: number): number => {
  const date = new Date(day * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / DAY_MS;
};

/** @throws StrataError `invalid_request` for what is no day of the calendar, or no whole one. */
export const parseDay = (name: string, text: string): number => {
  const date = text.replace(MIDNIGHT, '');
  const ms = DATE.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  // Of 31 February the parser would make a day of March.
  if (ms >= 0 && dayText(ms / DAY_MS) === date) return ms / DAY_MS;
  throw new StrataError(
    'invalid_request',
    `${name} is ${JSON.stringify(text.slice(0, 64))}; give a day as 2026-01-31, UTC. Usage is summed by whole days; ` +
      'the receipts have times.',
  );
};

const INSTANT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z)?$/;

/** @throws StrataError `invalid_request` for what is no instant. */
export const parseInstant = (name: string, text: string): number => {
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (ms >= 0) return ms;
  throw new StrataError(
    'invalid_request',
    `${name} is ${JSON.stringify(text.slice(0, 64))}; give a time as 2026-01-31T12:00:00Z, or a day as 2026-01-31, UTC.`,
  );
};
