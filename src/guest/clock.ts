/**
 * The guest's clock: the host's monotonic reading at the start of an entry, plus what `Date.now` says has passed.
 *
 * Never goes behind the reading of its entry, also when the wall clock jumps back.
 */
import { DateNow, MathFloor } from './primordials.ts';

let entryNowMs = 0;
let entryWallMs = 0;
let originMs = -1;
let originWallMs = 0;

/** Sets the clock at the start of an entry. */
export const enterAt = (nowMs: number): void => {
  entryNowMs = nowMs;
  entryWallMs = DateNow();
  if (originMs < 0) {
    originMs = nowMs;
    originWallMs = entryWallMs;
  }
};

/** Milliseconds on the host's monotonic clock. */
export const now = (): number => {
  const elapsed = DateNow() - entryWallMs;
  return elapsed > 0 ? entryNowMs + elapsed : entryNowMs;
};

/** Milliseconds since the first entry that carried a time: whole ones, because functions read this clock. */
export const sinceOrigin = (): number => (originMs < 0 ? 0 : MathFloor(now() - originMs));

/** The wall clock at that first entry, milliseconds since the epoch. */
export const timeOrigin = (): number => originWallMs;
