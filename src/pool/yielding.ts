/**
 * A sandbox of a tenant that holds more than its share takes nothing more, so that it comes to rest for one that holds
 * less: with many slots in it, it never would by itself while its tenant floods.
 *
 * Owns which one that is: one at a time, for no longer than until the next sweep, so that nobody who asks and goes away
 * costs another anything. Never ends it: that is for whoever needs its place.
 */
import type { Lifecycle } from './lifecycle.ts';
import type { Sandbox } from './slot.ts';

export class Yielding {
  readonly #lifecycle: Lifecycle;
  #sandbox: Sandbox | null = null;

  constructor(lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
  }

  /** @param max sandboxes that there may be. */
  ask(max: number): void {
    if (this.#sandbox?.state === 'ready') return;
    this.#sandbox = this.#lifecycle.sandboxes.nearestToRest(max);
    if (this.#sandbox !== null) this.#sandbox.doubtful += 1;
  }

  /** Lets it take again. */
  release(): void {
    const sandbox = this.#sandbox;
    this.#sandbox = null;
    if (sandbox === null) return;
    sandbox.doubtful -= 1;
    if (sandbox.state !== 'ready') return;
    // What was passed over meanwhile is offered again: its entry in the stacks was dropped.
    for (const slot of sandbox.slots)
      if (slot.state === 'free' || slot.state === 'busy') this.#lifecycle.offer(slot);
  }
}
