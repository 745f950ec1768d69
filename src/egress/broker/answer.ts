/**
 * The body of an answer on its way to the sandbox, held back by the credit that the sandbox gives.
 *
 * Owns what came and was not sent yet. Invariants: never more than the window is under way; small pieces that come in one
 * turn leave as one, so that an upstream cannot make a frame of each byte; what pieces cost in memory is their bytes.
 */
import { CHUNK_BYTES, WINDOW_BYTES } from '../../sandbox/protocol/network-frames.ts';

export interface AnswerOutlet {
  send(bytes: Buffer): void;
  /** The upstream may go on, or has to wait. */
  flow(going: boolean): void;
  /** Everything was sent after the end. */
  done(): void;
}

/** Smaller pieces are put together as they come: a buffer of its own costs a hundred bytes. */
const SLAB_BYTES = 8 * 1024;

export class AnswerBody {
  readonly #outlet: AnswerOutlet;
  #pieces: Buffer[] = [];
  #slab: Buffer | null = null;
  #filled = 0;
  #held = 0;
  #credit = WINDOW_BYTES;
  #ended = false;
  #done = false;
  #scheduled = false;
  #paused = false;

  constructor(outlet: AnswerOutlet) {
    this.#outlet = outlet;
  }

  /** The bytes are copied: the parser's buffer is not kept. */
  push(bytes: Buffer): void {
    if (this.#done) return;
    if (bytes.length < SLAB_BYTES) this.#gather(bytes);
    else {
      this.#seal();
      this.#pieces.push(Buffer.from(bytes));
    }
    this.#held += bytes.length;
    this.#schedule();
    if (this.#held >= WINDOW_BYTES) this.#pause(true);
  }

  end(): void {
    this.#ended = true;
    this.#schedule();
  }

  /** @param bytes what the sandbox has used up. */
  credit(bytes: number): void {
    this.#credit = Math.min(WINDOW_BYTES, this.#credit + bytes);
    this.#flush();
  }

  /** Nothing more is sent. */
  close(): void {
    this.#done = true;
    this.#pieces = [];
    this.#slab = null;
    this.#held = 0;
  }

  #gather(bytes: Buffer): void {
    if (this.#slab === null || this.#filled + bytes.length > SLAB_BYTES) {
      this.#seal();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#filled = 0;
    }
    this.#filled += bytes.copy(this.#slab, this.#filled);
  }

  /** What was put together is a piece from now on. */
  #seal(): void {
    if (this.#slab !== null) this.#pieces.push(this.#slab.subarray(0, this.#filled));
    this.#slab = null;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#done) return;
    if (this.#held > 0 && this.#credit > 0) {
      this.#seal();
      const all = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces, this.#held);
      let at = 0;
      while (all !== undefined && at < all.length && this.#credit > 0) {
        const size = Math.min(CHUNK_BYTES, this.#credit, all.length - at);
        this.#credit -= size;
        this.#outlet.send(all.subarray(at, at + size));
        at += size;
      }
      this.#held -= at;
      this.#pieces = this.#held === 0 || all === undefined ? [] : [all.subarray(at)];
    }
    if (this.#held < WINDOW_BYTES / 2) this.#pause(false);
    if (this.#ended && this.#held === 0) {
      this.#done = true;
      this.#outlet.done();
    }
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#outlet.flow(!paused);
  }
}
