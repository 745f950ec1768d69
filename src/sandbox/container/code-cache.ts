/**
 * Which code a container holds: what has to be sent, and what has to go to make room.
 *
 * Owns the list. Invariant: what it says the container holds is within the size of the container's code folder.
 */
import type { CodeFiles } from '../../core/spec.ts';

export class CodeCache {
  readonly #held = new Map<string, number>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True when the container has this code; it counts as used now. */
  use(digest: string): boolean {
    const bytes = this.#held.get(digest);
    if (bytes === undefined) return false;
    this.#held.delete(digest);
    this.#held.set(digest, bytes);
    return true;
  }

  /** Notes code that is about to be sent; returns the digests to drop first, the longest unused ones. */
  add(digest: string, files: CodeFiles): readonly string[] {
    const bytes = sizeOf(files);
    const dropped: string[] = [];
    for (const [oldest, size] of this.#held) {
      if (this.#bytes + bytes <= this.#maxBytes) break;
      this.#held.delete(oldest);
      this.#bytes -= size;
      dropped.push(oldest);
    }
    this.#held.set(digest, bytes);
    this.#bytes += bytes;
    return dropped;
  }
}

/** A file takes whole pages. */
const PAGE_BYTES = 4_096;
const sizeOf = (files: CodeFiles): number => {
  let bytes = 0;
  for (const file of files.values()) bytes += Math.ceil(file.bytes.length / PAGE_BYTES) * PAGE_BYTES;
  return bytes;
};
