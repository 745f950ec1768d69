/**
 * The framed protocol between the server and what runs in a sandbox: the layout of a frame and its two ends.
 *
 * Owns encoding, decoding and batching. Never interprets a frame: which types may come when is the business of
 * the two sides. Invariants: a frame that breaks the layout or is larger than allowed raises `FrameError`, after
 * which the stream must be destroyed; payloads are bytes that are passed on, never parsed here.
 *
 * Layout, little endian: u32 bytes that follow · u8 version · u8 type · u16 flags · u32 instance · u48 nonce ·
 * f64 a · f64 b · f64 c · u32 bytes of meta · meta (UTF-8) · payload.
 */

export const PROTOCOL_VERSION = 1;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 42;
const SLAB_BYTES = 64 * 1024;
/**
 * So many frames go out without waiting for the end of the turn: if all of a busy turn went at once, the two sides
 * would take turns working instead of working side by side.
 */
const BATCH_FRAMES = 16;
/** Payloads from this size on are written from where they are, not copied into the batch. */
const COPY_MAX_BYTES = 8 * 1024;

export const FRAME = {
  /** Host to server: up and able to work. meta: JSON about the host. */
  ready: 1,
  /** Server to host: boot an instance. a: memoryMb. */
  boot: 2,
  /** Host to server. a: milliseconds it took. */
  booted: 3,
  /** Host to server: the instance could not be booted. meta: why. */
  bootFailed: 4,
  /** Server to host: load code. flags: LOAD; meta: JSON; payload: JSON of the files. */
  load: 5,
  /** Host to server. flags: OUTCOME; a: CPU ns; b: load ms; c: init ms; meta: JSON tail. */
  loaded: 6,
  /** Server to host: run the handler. a: timeoutMs; b: cpuMs; meta: invocation id; payload: event. */
  invoke: 7,
  /** Host to server. flags: OUTCOME; a: CPU ns; b: handler ms; c: memory bytes or −1; meta: JSON tail; payload: result. */
  outcome: 8,
  /** Host to server: the invocation waits for a timer (flags 1) or runs again (flags 0). */
  parked: 9,
  /** Server to host: this call is over its deadline; answer it and end the instance. */
  terminate: 10,
  /** Server to host: end the instance. */
  dispose: 11,
  /** Host to server: the instance is gone and nothing of it runs any more. */
  disposed: 12,
  /** Host to server: the engine ran into a fatal error in this instance; the process is of no further use. */
  catastrophe: 13,
  /**
   * Server to agent: a chunk of a file of code. flags: FILE; meta: digest and relative path, with a slash between;
   * payload: the chunk.
   */
  file: 14,
  /** Agent to server: a line that a process wrote. flags: LOG; a: wall clock ms; payload: the line, at most 8 KiB. */
  log: 15,
  /** Agent to server: the code process broke the protocol and everything of it is being killed. meta: what it did. */
  violation: 16,
  /** Agent to server: the code process has ended. a: exit code or −1; b: signal or 0; meta: why, when there is more to say. */
  exited: 17,
  /** Server to agent: remove the files of a digest. meta: the digest. */
  forget: 18,
  /** Server to agent: no instance will be booted soon; what is kept for the next one may go. */
  rest: 19,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Flags of `load` to an agent: the function has a network. */
export const LOAD = { network: 1 } as const;
/** Flags of `loaded` and `outcome`. */
export const OUTCOME = { failed: 1, hasTail: 2 } as const;
/** Flags of `file`; a file that continues is the one of the frame before. */
export const FILE = { executable: 1, continues: 2 } as const;
/**
 * Flags of `log`; after `dropped` no more lines come: of a stream until the next window, of a call none at all. A shim says
 * so when it drops the first line, because a call that is stopped has no answer to say it in.
 */
export const LOG = { stdout: 1, stderr: 2, dropped: 4, ofCall: 8 } as const;
/** Of a line that is of a call: the levels by the number that stands in b. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly instance: number;
  readonly nonce: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly meta: string;
  readonly payload: Buffer;
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** What a frame is sent through: a socket, or anything with its two methods. */
export interface FrameSink {
  cork(): void;
  uncork(): void;
  write(bytes: Uint8Array): unknown;
}

const NO_BYTES = Buffer.alloc(0);

/** Collects the frames of one turn of the event loop and writes them at once. */
export class FrameWriter {
  readonly #sink: FrameSink;
  #slab = Buffer.allocUnsafe(SLAB_BYTES);
  #start = 0;
  #end = 0;
  #frames = 0;
  #scheduled = false;
  #corked = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  send(
    type: FrameType,
    instance: number,
    nonce = 0,
    fields: { flags?: number; a?: number; b?: number; c?: number; meta?: string; payload?: Uint8Array } = {},
  ): void {
    const meta = fields.meta ?? '';
    const payload = fields.payload ?? NO_BYTES;
    const copied = payload.length <= COPY_MAX_BYTES;
    const reserve = LENGTH_BYTES + HEAD_BYTES + meta.length * 3 + (copied ? payload.length : 0);
    this.#ensure(reserve);
    const slab = this.#slab;
    let at = this.#end + LENGTH_BYTES;
    slab[at] = PROTOCOL_VERSION;
    slab[at + 1] = type;
    slab.writeUInt16LE(fields.flags ?? 0, at + 2);
    slab.writeUInt32LE(instance, at + 4);
    slab.writeUIntLE(nonce, at + 8, 6);
    slab.writeDoubleLE(fields.a ?? 0, at + 14);
    slab.writeDoubleLE(fields.b ?? 0, at + 22);
    slab.writeDoubleLE(fields.c ?? 0, at + 30);
    const metaBytes = meta.length === 0 ? 0 : slab.write(meta, at + HEAD_BYTES, 'utf8');
    slab.writeUInt32LE(metaBytes, at + 38);
    slab.writeUInt32LE(HEAD_BYTES + metaBytes + payload.length, this.#end);
    at += HEAD_BYTES + metaBytes;
    if (copied) {
      slab.set(payload, at);
      this.#end = at + payload.length;
    } else {
      this.#end = at;
      this.#cut();
      this.#sink.write(payload);
    }
    this.#frames += 1;
    if (this.#frames >= BATCH_FRAMES) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flushTurn);
    }
  }

  /** Writes what is collected now, without waiting for the end of the turn. */
  flush(): void {
    this.#frames = 0;
    this.#cut();
    if (this.#corked) {
      this.#corked = false;
      this.#sink.uncork();
    }
  }

  readonly #flushTurn = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Hands the collected bytes to the sink; the sink owns them from then on. */
  #cut(): void {
    if (this.#end === this.#start) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#sink.cork();
    }
    this.#sink.write(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #ensure(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    this.#cut();
    this.#slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, bytes));
    this.#start = 0;
    this.#end = 0;
  }
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #onFrame: (frame: Frame) => void;
  #parts: Buffer[] = [];
  #held = 0;
  /** Bytes that must be held before another look is worth it. */
  #wanted = LENGTH_BYTES;

  constructor(maxFrameBytes: number, onFrame: (frame: Frame) => void) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#onFrame = onFrame;
  }

  /** @throws FrameError when the bytes break the layout; the reader must not be used after it. */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#held > 0) {
      this.#parts.push(chunk);
      this.#held += chunk.length;
      if (this.#held < this.#wanted) return;
      bytes = Buffer.concat(this.#parts, this.#held);
      this.#parts = [];
      this.#held = 0;
    }
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(at);
      if (length < HEAD_BYTES || length > this.#maxFrameBytes) {
        throw new FrameError(
          `a frame of ${length} bytes; ${HEAD_BYTES} to ${this.#maxFrameBytes} are allowed`,
        );
      }
      const end = at + LENGTH_BYTES + length;
      if (end > bytes.length) {
        this.#wanted = LENGTH_BYTES + length;
        break;
      }
      this.#onFrame(decode(bytes, at + LENGTH_BYTES, end));
      this.#wanted = LENGTH_BYTES;
      at = end;
    }
    if (at < bytes.length) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      this.#parts = [rest];
      this.#held = rest.length;
    }
  }
}

const decode = (bytes: Buffer, at: number, end: number): Frame => {
  if (bytes[at] !== PROTOCOL_VERSION) {
    throw new FrameError(`protocol version ${bytes[at]}; ${PROTOCOL_VERSION} is spoken here`);
  }
  const metaBytes = bytes.readUInt32LE(at + 38);
  const metaStart = at + HEAD_BYTES;
  if (metaStart + metaBytes > end) throw new FrameError(`a meta of ${metaBytes} bytes runs past its frame`);
  return {
    type: bytes[at + 1] ?? 0,
    flags: bytes.readUInt16LE(at + 2),
    instance: bytes.readUInt32LE(at + 4),
    nonce: bytes.readUIntLE(at + 8, 6),
    a: bytes.readDoubleLE(at + 14),
    b: bytes.readDoubleLE(at + 22),
    c: bytes.readDoubleLE(at + 30),
    meta: metaBytes === 0 ? '' : bytes.toString('utf8', metaStart, metaStart + metaBytes),
    payload: bytes.subarray(metaStart + metaBytes, end),
  };
};
