/**
 * Ids of invocations: UUIDs of version 7, which begin with the time.
 *
 * Owns their form. Ids that come one after the other lie side by side in the ledger's index, where random ones would have
 * every write touch as many pages as it has receipts. The time is the wall clock's and the order is no promise; 74
 * random bits keep two apart.
 */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

const HEX_DIGITS_OF_TIME = 12;

export class InvocationIds {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #random: Pick<Random, 'uuid'>;
  #wallMs = -1;
  #prefix = '';

  constructor(clock: Pick<Clock, 'wallMs'>, random: Pick<Random, 'uuid'>) {
    this.#clock = clock;
    this.#random = random;
  }

  next(): string {
    const wallMs = this.#clock.wallMs();
    if (wallMs !== this.#wallMs) {
      this.#wallMs = wallMs;
      const hex = Math.max(0, wallMs)
        .toString(16)
        .padStart(HEX_DIGITS_OF_TIME, '0')
        .slice(-HEX_DIGITS_OF_TIME);
      this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    }
    return this.#prefix + this.#random.uuid().slice(15);
  }
}
