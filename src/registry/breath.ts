/**
 * Lets the event loop turn while much is worked through at once.
 *
 * Owns the count of bytes since the last turn. What takes long otherwise would keep every invocation waiting.
 */

/** Work on this much takes a few milliseconds. */
const SLICE_BYTES = 2 * 1024 * 1024;

export class Breath {
  #bytes = 0;

  /** Resolves at once, or behind whatever else waits when a slice is full. */
  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < SLICE_BYTES) return;
    this.#bytes = 0;
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

/** Parts of at most a slice, in order. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += SLICE_BYTES)
    yield bytes.subarray(start, start + SLICE_BYTES);
}
