/**
 * Removes containers that have ended behind those that start, and bounds how many the engine still has of them.
 *
 * Owns the order of removals and their places. Never kills anything: what may still be alive is removed at once. A machine
 * fault ends many containers in one moment, and their replacements must not wait until the engine has put away the last.
 * Invariants: a removal keeps its place until the engine has let go of the container or failed to; a start waits while all
 * places are taken, so that containers which end as fast as they start do not pile up in the engine.
 */
import PQueue from 'p-queue';
import type { ContainerEngine } from './engine.ts';

/** More at once would take the engine's processors from starts, and gain little. */
const PARALLELISM = 2;
/** More than a runtime's containers unless the configuration says otherwise: all of them may end at once. */
const PLACES = 32;

export class Removals {
  readonly #engine: Pick<ContainerEngine, 'remove'>;
  readonly #queue = new PQueue({ concurrency: PARALLELISM });
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(engine: Pick<ContainerEngine, 'remove'>) {
    this.#engine = engine;
  }

  /**
   * True when the engine has let go of a container, false when it is at it by somebody else's order; rejects when it could not.
   * @param isDead nothing runs in it any more: it waits for its turn, others do not.
   */
  async remove(id: string, isDead: boolean): Promise<boolean> {
    this.#taken += 1;
    const removing = (): Promise<boolean> => this.#engine.remove(id);
    try {
      return await (isDead ? this.#queue.add(removing) : removing());
    } finally {
      this.#taken -= 1;
      if (this.#taken < PLACES) for (const go of this.#waiting.splice(0)) go();
    }
  }

  /** Resolves when one more container may be made. */
  async room(): Promise<void> {
    while (this.#taken >= PLACES) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
