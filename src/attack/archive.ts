/**
 * Archives that no honest tool makes, byte by byte.
 *
 * Owns the layout of a ZIP and lets each of its fields lie. Everything is small: sizes are declared, not stored.
 */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ArchiveEntry {
  /** Latin-1 text stands for bytes that are no UTF-8. */
  readonly name: string | Uint8Array;
  readonly data?: string | Uint8Array;
  /** The Unix mode with its type; none when left out. */
  readonly mode?: number;
  readonly flags?: number;
  /** 0 stored, 8 deflated; deflated data is packed here. */
  readonly method?: number;
  /** What the archive says instead of what is true. */
  readonly declared?: {
    readonly size?: number;
    readonly packedSize?: number;
    readonly crc?: number;
    readonly offset?: number;
  };
  /** The name in front of the data, where it is another. */
  readonly localName?: string;
  /** Bytes of the extra field of the directory. */
  readonly extra?: Uint8Array;
}

export interface ArchiveEnd {
  readonly entries?: number;
  readonly disk?: number;
  readonly directoryBytes?: number;
  readonly directoryOffset?: number;
  readonly comment?: string | Uint8Array;
  /** In front of everything, and between directory and end. */
  readonly before?: Uint8Array;
  readonly between?: Uint8Array;
}

const LOCAL_BYTES = 30;
const DIRECTORY_BYTES = 46;
const END_BYTES = 22;
/** Made on Unix, so that modes count. */
const MADE_BY = 0x0314;

export const archive = (entries: readonly ArchiveEntry[], end: ArchiveEnd = {}): Buffer => {
  const before = Buffer.from(end.before ?? []);
  const locals: Buffer[] = [before];
  const directory: Buffer[] = [];
  let offset = before.length;
  for (const entry of entries) {
    const parts = partsOf(entry);
    const local = localOf(entry, parts);
    directory.push(directoryOf(entry, parts, offset));
    locals.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  return Buffer.concat([
    ...locals,
    listed,
    Buffer.from(end.between ?? []),
    endOf(entries.length, listed.length, offset, end),
  ]);
};

/** A directory of so many entries of one name without data, under an end that declares what it can. */
export const directoryAlone = (count: number, declared: number): Buffer =>
  Buffer.concat([Buffer.alloc(NAMELESS.length * count, NAMELESS), endAlone(count, declared)]);

/** The same in base64, in pieces that are one and the same text but for the last: it costs its sender no memory. */
export const directoryPieces = (count: number): readonly Buffer[] => {
  // Three entries are a whole number of base64's groups.
  const piece = Buffer.from(Buffer.alloc(NAMELESS.length * PIECE_ENTRIES, NAMELESS).toString('base64'));
  const whole = Math.floor(count / PIECE_ENTRIES);
  const rest = Buffer.alloc(NAMELESS.length * (count - whole * PIECE_ENTRIES), NAMELESS);
  const last = Buffer.concat([rest, endAlone(count, count)]).toString('base64');
  return [...Array<Buffer>(whole).fill(piece), Buffer.from(last)];
};

const PIECE_ENTRIES = 6_000;
const NAMELESS = Buffer.alloc(DIRECTORY_BYTES + 1);
NAMELESS.writeUInt32LE(0x02014b50, 0);
NAMELESS.writeUInt16LE(1, 28);
NAMELESS.write('f', DIRECTORY_BYTES);

const endAlone = (count: number, declared: number): Buffer => endOf(declared, NAMELESS.length * count, 0, {});

interface Parts {
  readonly name: Buffer;
  readonly packed: Buffer;
  readonly size: number;
  readonly crc: number;
  readonly method: number;
}

const partsOf = ({ name, data = '', method = 8 }: ArchiveEntry): Parts => {
  const bytes = Buffer.from(data as string);
  const packed = method === 8 ? deflateRawSync(bytes) : bytes;
  return { name: Buffer.from(name as string), packed, size: bytes.length, crc: crc32(bytes), method };
};

const localOf = (
  { localName, flags = 0 }: ArchiveEntry,
  { name, packed, size, crc, method }: Parts,
): Buffer => {
  const inFront = localName === undefined ? name : Buffer.from(localName);
  const local = Buffer.alloc(LOCAL_BYTES);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(flags, 6);
  local.writeUInt16LE(method, 8);
  local.writeUInt32LE(crc, 14);
  local.writeUInt32LE(packed.length, 18);
  local.writeUInt32LE(size, 22);
  local.writeUInt16LE(inFront.length, 26);
  return Buffer.concat([local, inFront, packed]);
};

const directoryOf = (
  entry: ArchiveEntry,
  { name, packed, size, crc, method }: Parts,
  offset: number,
): Buffer => {
  const { declared = {}, mode = 0, flags = 0, extra = new Uint8Array() } = entry;
  const listed = Buffer.alloc(DIRECTORY_BYTES);
  listed.writeUInt32LE(0x02014b50, 0);
  listed.writeUInt16LE(MADE_BY, 4);
  listed.writeUInt16LE(flags, 8);
  listed.writeUInt16LE(method, 10);
  listed.writeUInt32LE(declared.crc ?? crc, 16);
  listed.writeUInt32LE(declared.packedSize ?? packed.length, 20);
  listed.writeUInt32LE(declared.size ?? size, 24);
  listed.writeUInt16LE(name.length, 28);
  listed.writeUInt16LE(extra.length, 30);
  listed.writeUInt32LE((mode << 16) >>> 0, 38);
  listed.writeUInt32LE(declared.offset ?? offset, 42);
  return Buffer.concat([listed, name, extra]);
};

const endOf = (entries: number, directoryBytes: number, offset: number, end: ArchiveEnd): Buffer => {
  const record = Buffer.alloc(END_BYTES);
  const comment = Buffer.from((end.comment ?? '') as string);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(end.disk ?? 0, 4);
  record.writeUInt16LE((end.entries ?? entries) & 0xffff, 8);
  record.writeUInt16LE((end.entries ?? entries) & 0xffff, 10);
  record.writeUInt32LE(end.directoryBytes ?? directoryBytes, 12);
  record.writeUInt32LE(end.directoryOffset ?? offset, 16);
  record.writeUInt16LE(comment.length, 20);
  return Buffer.concat([record, comment]);
};
