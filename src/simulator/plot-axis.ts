/**
 * A logarithmic axis: where a value lies on it, and which ticks it has.
 */

export interface LogAxis {
  /** The place of a value; what is zero or out of range lies on the edge. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

const TICKS_MAX = 9;

/** Holds all positive values with some room around them; `start` and `end` are the places of its ends. */
export const axisOf = (values: readonly number[], start: number, end: number): LogAxis => {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const least = positive.length === 0 ? 0.1 : Math.min(...positive);
  const most = positive.length === 0 ? 1 : Math.max(...positive);
  // Room for the markers, and for at least a factor of three.
  const room = Math.max(1.15, Math.sqrt(3 / Math.min(3, most / least)));
  const low = Math.log10(least / room);
  const high = Math.log10(most * room);
  return {
    at: (value) => {
      const share = value > 0 ? (Math.log10(value) - low) / (high - low) : 0;
      return start + Math.min(1, Math.max(0, share)) * (end - start);
    },
    ticks: ticksIn(low, high),
  };
};

/** As many as are legible: of 1, 2 and 5 times the powers of ten, else of fewer of them. */
const ticksIn = (low: number, high: number): number[] => {
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = powersIn(low, high).flatMap((power) => factors.map((factor) => factor * 10 ** power));
    const inside = ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
    if (inside.length <= TICKS_MAX) return inside;
  }
  const powers = powersIn(low, high);
  const every = Math.ceil(powers.length / TICKS_MAX);
  return powers.filter((_, at) => at % every === 0 && at > 0).map((power) => 10 ** power);
};

const powersIn = (low: number, high: number): number[] => {
  const first = Math.floor(low);
  return Array.from({ length: Math.ceil(high) - first + 1 }, (_, at) => first + at);
};
