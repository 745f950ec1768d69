/**
 * How near starts that were counted live are to those that were simulated.
 *
 * Owns arithmetic only. Shares are percentages, differences percentage points.
 */
import { STARTS, type Start } from '../../src/core/receipt.ts';
import { divide } from './stats.ts';

export type StartCounts = Readonly<Record<Start, number>>;

/** Those that had to wait for something. */
export const NOT_FROM_CODE: readonly Start[] = STARTS.filter((from) => from !== 'code');

export const totalOf = (starts: StartCounts, layers: readonly Start[] = STARTS): number =>
  layers.reduce((sum, from) => sum + starts[from], 0);

/** By layer, of all that began from one of these layers; null where nothing did. */
export const sharesOf = (
  starts: StartCounts,
  layers: readonly Start[] = STARTS,
): Readonly<Partial<Record<Start, number | null>>> =>
  Object.fromEntries(
    layers.map((from) => [from, divide(100 * starts[from], totalOf(starts, layers))] as const),
  );

/** The largest over the layers; null when one side has no start from any of them and the other has. */
export const differenceOf = (
  live: StartCounts,
  simulated: StartCounts,
  layers: readonly Start[] = STARTS,
): number | null => {
  const [liveTotal, simulatedTotal] = [totalOf(live, layers), totalOf(simulated, layers)];
  if (liveTotal === 0 && simulatedTotal === 0) return 0;
  if (liveTotal === 0 || simulatedTotal === 0) return null;
  const [one, other] = [sharesOf(live, layers), sharesOf(simulated, layers)];
  return Math.max(...layers.map((from) => Math.abs((one[from] ?? 0) - (other[from] ?? 0))));
};
