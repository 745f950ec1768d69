/**
 * Which code a container holds: what has to be sent, and what has to go to make room.
 *
 * Owns the list. Invariant: what it says the container holds is within the size of the container's code folder, in
 * bytes and in files, but for code that alone is larger.
 */
import type { CodeFiles } from '../../core/spec.ts';

export interface CodeRoom {
  readonly bytes: number;
  /** Files and folders. */
  readonly entries: number;
}

export class CodeCache {
  readonly #held = new Map<string, CodeRoom>();
  readonly #max: CodeRoom;
  #bytes = 0;
  #entries = 0;
  #chargedBytes = 0;

  constructor(max: CodeRoom) {
    this.#max = max;
  }

  /** What the code takes of the container's memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The same, and what was dropped for the code that was added last: the container may not have let go of it yet. */
  get chargedBytes(): number {
    return this.#chargedBytes;
  }

  /** True when the container has this code; it counts as used now. */
  use(digest: string): boolean {
    const room = this.#held.get(digest);
    if (room === undefined) return false;
    this.#held.delete(digest);
    this.#held.set(digest, room);
    this.#chargedBytes = this.#bytes;
    return true;
  }

  /** Notes code that is about to be sent; returns the digests to drop first, the longest unused ones. */
  add(digest: string, files: CodeFiles): readonly string[] {
    const room = roomOf(files);
    const before = this.#bytes;
    const dropped: string[] = [];
    for (const [oldest, { bytes, entries }] of this.#held) {
      const fits =
        this.#bytes + room.bytes <= this.#max.bytes && this.#entries + room.entries <= this.#max.entries;
      if (fits) break;
      this.#held.delete(oldest);
      this.#bytes -= bytes;
      this.#entries -= entries;
      dropped.push(oldest);
    }
    this.#held.set(digest, room);
    this.#bytes += room.bytes;
    this.#entries += room.entries;
    this.#chargedBytes = Math.max(before, this.#bytes);
    return dropped;
  }
}

/** A file takes whole pages, and each file and folder some of the kernel's memory. */
const PAGE_BYTES = 4_096;
const ENTRY_BYTES = 1_024;

const roomOf = (files: CodeFiles): CodeRoom => {
  let bytes = 0;
  const folders = new Set<string>();
  for (const [path, file] of files) {
    bytes += Math.ceil(file.bytes.length / PAGE_BYTES) * PAGE_BYTES;
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  // One more is the folder that is named by the digest.
  const entries = files.size + folders.size + 1;
  return { bytes: bytes + entries * ENTRY_BYTES, entries };
};
