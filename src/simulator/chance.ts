/**
 * Draws from the distributions that traffic is made of, over the `Random` port.
 */
import { seededRandom } from '../ports/random.ts';
import { shareOf } from './seeds.ts';

export interface Chance {
  /** From 0 inclusive to 1 exclusive. */
  share(): number;
  /** A whole number from 0 inclusive to `count` exclusive. */
  below(count: number): number;
  /** Of mean 0 and deviation 1. */
  normal(): number;
  /** Of this median; the logarithm has the deviation. */
  lognormal(median: number, deviation: number): number;
  poisson(mean: number): number;
  /** One of the values, each as likely as its weight says. */
  pick<T>(weighted: readonly (readonly [value: T, weight: number])[]): T;
}

/** From here a Poisson distribution is taken to be normal. */
const NORMAL_FROM = 50;

export const seededChance = (seed: number): Chance => {
  const random = seededRandom(seed);
  const share = (): number => shareOf(random.nonce());
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - share())) * Math.cos(2 * Math.PI * share());
  const poisson = (mean: number): number => {
    if (mean >= NORMAL_FROM) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = share(); product > limit; product *= share()) count += 1;
    return count;
  };
  return {
    share,
    normal,
    poisson,
    below: (count) => Math.floor(share() * count),
    lognormal: (median, deviation) => median * Math.exp(deviation * normal()),
    pick: (weighted) => {
      let left = share() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
      const found = weighted.find(([, weight]) => {
        left -= weight;
        return left < 0;
      });
      const last = found ?? weighted.at(-1);
      if (last === undefined) throw new Error('there is nothing to pick from');
      return last[0];
    },
  };
};
