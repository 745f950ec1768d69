/**
 * Where somebody who follows a log has come to, as a text that says nothing else.
 *
 * Owns the form. A place is a count of the invocations of all tenants, which is nobody's business, so it is encrypted
 * under a key of this start of the server. A cursor of another start is none of ours, and neither is a made-up one.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '../ports/random.ts';

/** The first line that has not been given out: of the finished invocations, from 0, and of its lines. */
export interface LogPlace {
  readonly invocation: number;
  readonly line: number;
}

const CIPHER = 'aes-128-ecb';
const BLOCK_BYTES = 16;
/** One block: the mark tells what was encrypted here from what was not. */
const MARK = 0x6c6f6773;
const PLACE_BYTES = 6;
const [LINE_AT, MARK_AT] = [8, 12];

export class LogCursors {
  readonly #key: Uint8Array;

  constructor(random: Pick<Random, 'bytes'>) {
    this.#key = random.bytes(BLOCK_BYTES);
  }

  textOf({ invocation, line }: LogPlace): string {
    const block = Buffer.alloc(BLOCK_BYTES);
    block.writeUIntBE(invocation, 0, PLACE_BYTES);
    block.writeUInt32BE(line, LINE_AT);
    block.writeUInt32BE(MARK, MARK_AT);
    return createCipheriv(CIPHER, this.#key, null).setAutoPadding(false).update(block).toString('base64url');
  }

  /** Null for what is not a cursor of this start. */
  placeOf(text: string): LogPlace | null {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length !== BLOCK_BYTES) return null;
    const block = createDecipheriv(CIPHER, this.#key, null).setAutoPadding(false).update(bytes);
    if (block.length !== BLOCK_BYTES || block.readUInt32BE(MARK_AT) !== MARK) return null;
    return { invocation: block.readUIntBE(0, PLACE_BYTES), line: block.readUInt32BE(LINE_AT) };
  }
}
