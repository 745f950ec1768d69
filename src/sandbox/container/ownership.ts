/**
 * Whose the containers of this start are: each is held from before the engine is asked for it until it has let go of it.
 *
 * Owns their names. A name is chosen here and travels in a label, so that a container is its holder's whether the engine's
 * answer comes, comes late, or never does. Invariant: what carries this start's labels and no name that is held here is
 * nobody's, and the sweep takes it.
 */
import type { Random } from '../../ports/random.ts';

/**
 * What is known of a container when its holder has done with it: the engine has let go of it; it may still be there; or the
 * engine never said whether it made it, and may make it yet.
 */
export type Fate = 'gone' | 'left' | 'unknown';

export class Ownership {
  readonly #random: Pick<Random, 'uuid'>;
  readonly #onLeft: (fate: Exclude<Fate, 'gone'>) => void;
  readonly #held = new Set<string>();

  /** @param onLeft something may be there that is nobody's from now on. */
  constructor(random: Pick<Random, 'uuid'>, onLeft: (fate: Exclude<Fate, 'gone'>) => void) {
    this.#random = random;
    this.#onLeft = onLeft;
  }

  /** The name of a container that is about to be made. */
  hold(): string {
    const name = this.#random.uuid();
    this.#held.add(name);
    return name;
  }

  /** Idempotent: what is nobody's already stays so. */
  release(name: string, fate: Fate): void {
    if (this.#held.delete(name) && fate !== 'gone') this.#onLeft(fate);
  }

  holds(name: string | undefined): boolean {
    return name !== undefined && this.#held.has(name);
  }
}
