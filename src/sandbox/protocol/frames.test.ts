import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME, type Frame, FrameError, FrameReader, FrameWriter, PROTOCOL_VERSION } from './frames.ts';

const MAX_FRAME_BYTES = 200_000;
const HEAD_BYTES = 42;

/** Takes what a writer hands over, and notes how. */
class Sink {
  readonly writes: Buffer[] = [];
  corks = 0;
  corked = false;

  cork(): void {
    this.corks += 1;
    this.corked = true;
  }

  uncork(): void {
    this.corked = false;
  }

  write(bytes: Uint8Array): void {
    this.writes.push(Buffer.from(bytes));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes);
  }
}

const sent = fc.record({
  type: fc.constantFrom(...Object.values(FRAME)),
  instance: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  nonce: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  flags: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
  a: fc.double({ noNaN: true }),
  b: fc.double({ noNaN: true }),
  c: fc.double({ noNaN: true }),
  meta: fc.string({ unit: 'binary', maxLength: 200 }).filter((text) => text.isWellFormed()),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Around the size from which payloads are no longer copied, and around that of a slab.
    fc.constantFrom(8_191, 8_192, 8_193, 65_535, 65_537).map((size) => new Uint8Array(size).fill(size % 251)),
  ),
});
type Sent = typeof sent extends fc.Arbitrary<infer Value> ? Value : never;

const encode = (frames: readonly Sent[]): Buffer => {
  const sink = new Sink();
  const writer = new FrameWriter(sink);
  for (const { type, instance, nonce, ...fields } of frames) writer.send(type, instance, nonce, fields);
  writer.flush();
  expect(sink.corked).toBe(false);
  return sink.bytes;
};

const decode = (chunks: readonly Buffer[], maxFrameBytes = MAX_FRAME_BYTES): Frame[] => {
  const frames: Frame[] = [];
  const reader = new FrameReader(maxFrameBytes, (frame) =>
    frames.push({ ...frame, payload: Buffer.from(frame.payload) }),
  );
  for (const chunk of chunks) reader.push(chunk);
  return frames;
};

const expected = (frames: readonly Sent[]) =>
  frames.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) }));

const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map((position) => position % (bytes.length + 1)))].sort(
    (one, other) => one - other,
  );
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end));
};

const one = (patch: (bytes: Buffer) => void): Buffer => {
  const bytes = encode([
    {
      type: FRAME.ready,
      instance: 1,
      nonce: 2,
      flags: 0,
      a: 0,
      b: 0,
      c: 0,
      meta: 'meta',
      payload: Buffer.from('payload'),
    },
  ]);
  patch(bytes);
  return bytes;
};

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(sent, { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (frames, cuts) => {
          expect(decode(cut(encode(frames), cuts))).toEqual(expected(frames));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('come out as they went in when every byte comes alone', () => {
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 3 }), (frames) => {
        const bytes = encode(frames.map((frame) => ({ ...frame, payload: frame.payload.subarray(0, 50) })));
        const chunks = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
        expect(decode(chunks)).toEqual(
          expected(frames).map((frame) => ({ ...frame, payload: frame.payload.subarray(0, 50) })),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('are only given out whole', () => {
    const bytes = one(() => undefined);
    expect(decode([bytes.subarray(0, bytes.length - 1)])).toEqual([]);
    expect(decode([bytes.subarray(0, 3)])).toEqual([]);
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ['a length over the limit', (bytes) => bytes.writeUInt32LE(MAX_FRAME_BYTES + 1, 0)],
    ['the largest length', (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, 0)],
    ['a length below that of the head', (bytes) => bytes.writeUInt32LE(HEAD_BYTES - 1, 0)],
    ['length zero', (bytes) => bytes.writeUInt32LE(0, 0)],
    ['another version', (bytes) => bytes.writeUInt8(PROTOCOL_VERSION + 1, 4)],
    ['version zero', (bytes) => bytes.writeUInt8(0, 4)],
    ['a meta that runs past its frame', (bytes) => bytes.writeUInt32LE(4 + 'payload'.length + 1, 4 + 38)],
    ['the largest meta', (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, 4 + 38)],
  ])('with %s raise FrameError', (_what, patch) => {
    expect(() => decode([one(patch)])).toThrow(FrameError);
  });

  it('too large are refused by their length alone, before their bytes are held', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(MAX_FRAME_BYTES + 1);
    expect(() => decode([head])).toThrow(/200001 bytes; 42 to 200000 are allowed/);
  });

  it('of exactly the limit pass, one byte more does not', () => {
    const bytes = one(() => undefined);
    expect(decode([bytes], bytes.length - 4)).toHaveLength(1);
    expect(() => decode([bytes], bytes.length - 5)).toThrow(FrameError);
  });

  it('made of any bytes are frames or FrameError, never another fault', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.integer({ min: HEAD_BYTES, max: 200 }),
        (bytes, length) => {
          const stream = Buffer.from(bytes);
          if (stream.length >= 5) {
            stream.writeUInt32LE(length, 0);
            stream[4] = PROTOCOL_VERSION;
          }
          try {
            decode([stream]);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(FrameError);
          }
        },
      ),
    );
  });
});

describe('a writer', () => {
  const send = (writer: FrameWriter, payload = Buffer.from('x')): void =>
    writer.send(FRAME.invoke, 1, 1, { payload });

  it('collects the frames of a turn and writes them at once', async () => {
    const sink = new Sink();
    const writer = new FrameWriter(sink);
    for (let count = 0; count < 5; count += 1) send(writer);
    expect(sink.writes).toHaveLength(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.writes).toHaveLength(1);
    expect(sink.corked).toBe(false);
    expect(decode(sink.writes)).toHaveLength(5);
  });

  it('writes nothing twice when it is flushed before the end of the turn', async () => {
    const sink = new Sink();
    const writer = new FrameWriter(sink);
    send(writer);
    writer.flush();
    send(writer);
    writer.flush();
    writer.flush();
    await new Promise((resolve) => setImmediate(resolve));
    expect(decode(sink.writes)).toHaveLength(2);
    expect(sink.corked).toBe(false);
  });

  it('keeps the order around payloads that it does not copy', () => {
    const sink = new Sink();
    const writer = new FrameWriter(sink);
    const sizes = [1, 100_000, 2, 70_000, 3];
    for (const size of sizes) send(writer, Buffer.alloc(size, size % 200));
    writer.flush();
    expect(decode(sink.writes).map(({ payload }) => payload.length)).toEqual(sizes);
  });
});
