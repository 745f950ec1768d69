/**
 * The layout of frames once more, written as plainly as it can be: a second opinion for the readers in TypeScript and C.
 */
import type { FrameType } from '../../src/sandbox/protocol/frames.ts';
import type { Dice } from './mutator.ts';
import { framesOf } from './puppets.ts';

export const FRAME_LIMIT = 600;
const HEAD_BYTES = 42;

export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly instance: number;
  readonly nonce: number;
  /** The bytes of a, b and c. */
  readonly numbers: Buffer;
  readonly meta: Buffer;
  readonly payload: Buffer;
}

export interface Reading {
  readonly frames: readonly ReadFrame[];
  /** How many bytes have to be there to see that the stream is broken; null when it is not. */
  readonly refusedAt: number | null;
}

export const readFrames = (stream: Buffer): Reading => {
  const frames: ReadFrame[] = [];
  for (let at = 0; ; ) {
    if (stream.length - at < 4) return { frames, refusedAt: null };
    const length = stream.readUInt32LE(at);
    if (length < HEAD_BYTES || length > FRAME_LIMIT) return { frames, refusedAt: at + 4 };
    const frame = stream.subarray(at + 4, at + 4 + length);
    if (frame.length < length) return { frames, refusedAt: null };
    at += 4 + length;
    const metaBytes = frame.readUInt32LE(38);
    if (frame[0] !== 1 || metaBytes > length - HEAD_BYTES) return { frames, refusedAt: at };
    frames.push({
      ...{ type: frame[1] ?? 0, flags: frame.readUInt16LE(2), instance: frame.readUInt32LE(4) },
      nonce: frame.readUInt32LE(8) + frame.readUInt16LE(12) * 2 ** 32,
      numbers: frame.subarray(14, 38),
      meta: frame.subarray(HEAD_BYTES, HEAD_BYTES + metaBytes),
      payload: frame.subarray(HEAD_BYTES + metaBytes),
    });
  }
};

/** A few frames of any type, one now and then larger than the limit. */
export const someFrames = (dice: Dice): Buffer =>
  framesOf((writer) => {
    for (let count = 1 + dice.int(6); count > 0; count -= 1)
      writer.send(dice.int(256) as FrameType, dice.word(), dice.word() * dice.int(65_536), {
        ...{ flags: dice.int(65_536), a: dice.int(100), b: -0, c: Number.NaN },
        ...{
          meta: dice.pick(['', 'é', '{}', 'x'.repeat(dice.int(100))]),
          payload: dice.bytes(dice.size(700)),
        },
      });
  });
