/**
 * What the lazy globals need of the bootstrap, given to them when the first of them is made.
 *
 * Owns the one seam between the two. The lazy modules import nothing else from outside this folder: otherwise the
 * bundler would make every module of the bootstrap lazy too, and booting slow.
 */

interface Services {
  /** Milliseconds since the runtime's start, on the guest's clock. */
  sinceOrigin(): number;
  /** Fails the current owner with an exception that nothing caught. */
  uncaught(thrown: unknown, what: string): void;
  /** Calls back once, after at least so many milliseconds. */
  startTimer(callback: () => void, delayMs: number): void;
}

export let services: Services;

export const provide = (given: Services): void => {
  services = given;
};
