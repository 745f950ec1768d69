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
  readonly network: NetworkService;
}

/** What a request hears of its answer; one of `data` with `last` and `failed` is the end. */
export interface NetworkListener {
  readonly head: (json: string) => void;
  /** @param text a character for each byte. */
  readonly data: (text: string, last: boolean) => void;
  /** Bytes of the request's body that went on. */
  readonly used: (bytes: number) => void;
  readonly failed: (json: string) => void;
}

export interface NetworkService {
  /** The request's number; JSON of the failure when it cannot even be asked for. */
  begin(headJson: string, target: string, hasBody: boolean, listener: NetworkListener): number | string;
  send(number: number, text: string, last: boolean): void;
  /** Bytes of the answer that were used up: so many more may come. */
  credit(number: number, bytes: number): void;
  /** Nobody waits for it any more. */
  quit(number: number): void;
  redirectsMax(): number;
  /** Bytes of a body that may be sent before some have been used up, and at a time. */
  readonly windowBytes: number;
  readonly chunkBytes: number;
}

export let services: Services;

export const provide = (given: Services): void => {
  services = given;
};
