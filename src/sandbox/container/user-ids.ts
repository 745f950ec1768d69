/**
 * Users for the processes of functions: each container has one that no other container has at the same time.
 *
 * Owns the numbers. The kernel keeps some of its limits for each user, whatever the container (pipes, watches,
 * pending signals): sharing one user would let a function use up its neighbours'. The images name all of them.
 */
import { StrataError } from '../../core/errors.ts';

const FIRST_USER_ID = 20_000;
const USER_IDS = 1_000;

export class UserIds {
  readonly #taken = new Set<number>();
  #next: number;

  /** @param start where to begin, so that two servers on a machine hardly ever use the same ones. */
  constructor(start: number) {
    this.#next = start % USER_IDS;
  }

  /** @throws StrataError `start_failed` when all are in use. */
  take(): number {
    for (let tries = 0; tries < USER_IDS; tries += 1) {
      const uid = FIRST_USER_ID + this.#next;
      this.#next = (this.#next + 1) % USER_IDS;
      if (this.#taken.has(uid)) continue;
      this.#taken.add(uid);
      return uid;
    }
    throw new StrataError('start_failed', `All ${USER_IDS} users for containers are in use. Retry later.`);
  }

  giveBack(uid: number): void {
    this.#taken.delete(uid);
  }
}
