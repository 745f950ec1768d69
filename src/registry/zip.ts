/**
 * Reads a ZIP archive from an untrusted caller.
 *
 * Owns what an archive may be. The central directory is the only authority; an archive in which it contradicts the
 * local headers or itself is refused, because two readers could see different files in it. Invariants: every
 * declared size is checked before anything is inflated, and inflating stops at the declared size, whatever the
 * data says; links, devices and encrypted entries are refused. A large archive is read in slices, between which the
 * server does other things.
 */
import { promisify } from 'node:util';
import { crc32, inflateRaw, inflateRawSync } from 'node:zlib';
import { StrataError } from '../core/errors.ts';
import { ZIP_MAX_RATIO } from '../core/limits.ts';
import { Breath } from './breath.ts';
import { normalPath } from './code-paths.ts';
import { shown } from './spec-errors.ts';

export interface ZipFile {
  /** As the archive has it, not yet checked. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** The Unix mode, or 0 where the archive was made without one. */
  readonly mode: number;
}

export interface ArchiveLimits {
  /** Of all files together, unpacked. */
  readonly maxBytes: number;
  /** Entries, folders included. */
  readonly maxFiles: number;
  /** The configuration's name of `maxBytes`. */
  readonly setting: string;
}

/**
 * The files of an archive; folders are left out.
 * @throws StrataError `code_invalid`, `payload_too_large`.
 */
export const readZip = async (archive: Buffer, limits: ArchiveLimits): Promise<ZipFile[]> => {
  const { maxBytes, setting } = limits;
  const entries = readDirectory(archive, limits.maxFiles);
  let total = 0;
  for (const entry of entries) {
    refuseUnsafeEntry(entry);
    total += entry.size;
    if (total > maxBytes)
      throw new StrataError(
        'payload_too_large',
        `code.zip: unpacks to more than ${maxBytes} bytes (${setting}); send less code.`,
        { limit: { kind: 'codeBytes', configured: maxBytes, observed: total } },
      );
  }
  if (total > archive.length * ZIP_MAX_RATIO)
    refuse(
      `unpacks to ${total} bytes from ${archive.length}; at most ${ZIP_MAX_RATIO} times its size is allowed`,
    );
  const files: ZipFile[] = [];
  const breath = new Breath();
  for (const entry of entries) {
    const isFolder = entry.name.endsWith('/');
    const bytes = isFolder ? packedBytes(archive, entry) : await inflate(archive, entry);
    if (contradicts(archive, entry))
      refuse(`describes ${shown(entry.name)} differently in two places; pack it again`);
    if (isFolder) continue;
    files.push({ path: entry.name, bytes, mode: entry.mode });
    await breath.after(ENTRY_COST_BYTES + entry.size);
  }
  return files;
};

interface Entry {
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  /** The Unix mode, or 0 where the archive was made without one. */
  readonly mode: number;
  readonly headerOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const END_MARK = Buffer.from('504b0506', 'hex');
const COMMENT_MAX_BYTES = 0xffff;
const DIRECTORY_SIGNATURE = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
/** Plain, strong and masked encryption: flag bits 0, 6 and 13. */
const ENCRYPTION_FLAGS = 0x2041;
/** The figures of an entry stand behind its data. */
const DESCRIPTOR_FLAG = 0x0008;
const STORED = 0;
const DEFLATED = 8;
const ZIP64_MARK = 0xffffffff;
const TYPE_BITS = 0o170000;
const REGULAR = 0o100000;
const LINK = 0o120000;
const FOLDER = 0o040000;
/** Inflating this much takes well under a millisecond. */
const INFLATE_ASIDE_BYTES = 64 * 1024;
const inflateAside = promisify(inflateRaw);
/** What an entry costs beside its bytes, expressed in bytes. */
const ENTRY_COST_BYTES = 4 * 1024;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const readDirectory = (archive: Buffer, maxFiles: number): Entry[] => {
  const end = findEnd(archive);
  const disk = archive.readUInt16LE(end + 4) + archive.readUInt16LE(end + 6);
  const count = archive.readUInt16LE(end + 10);
  const start = archive.readUInt32LE(end + 16);
  if (disk !== 0 || archive.readUInt16LE(end + 8) !== count) refuse('is one part of several; send one file');
  if (count > maxFiles) refuse(`has ${count} entries; at most ${maxFiles} are allowed`);
  if (start + archive.readUInt32LE(end + 12) !== end)
    refuse('has a directory that is not where its end record says; pack it again');
  const entries: Entry[] = [];
  let offset = start;
  for (let index = 0; index < count; index += 1) {
    if (offset + DIRECTORY_ENTRY_BYTES > end || archive.readUInt32LE(offset) !== DIRECTORY_SIGNATURE)
      refuse('has a broken directory; pack it again');
    const entry = readEntry(archive, offset, end);
    entries.push(entry);
    offset +=
      DIRECTORY_ENTRY_BYTES +
      entry.nameBytes.length +
      archive.readUInt16LE(offset + 30) +
      archive.readUInt16LE(offset + 32);
  }
  if (offset !== end)
    refuse(`has more in its directory than the ${count} entries it declares; pack it again`);
  return entries;
};

/** The end record must be the last thing in the file, and look the only one, so that there is one way to find it. */
const findEnd = (archive: Buffer): number => {
  const first = Math.max(0, archive.length - END_BYTES - COMMENT_MAX_BYTES);
  for (let offset = archive.length - END_BYTES; offset >= first; offset -= 1)
    if (
      archive.readUInt32LE(offset) === END_SIGNATURE &&
      offset + END_BYTES + archive.readUInt16LE(offset + 20) === archive.length
    ) {
      // Many readers take the last one that they see for the end.
      if (archive.includes(END_MARK, offset + END_MARK.length))
        refuse('has a comment that reads as another end of the archive; pack it again');
      return offset;
    }
  return refuse('is not a ZIP archive, or is cut off');
};

const readEntry = (archive: Buffer, offset: number, end: number): Entry => {
  const nameStart = offset + DIRECTORY_ENTRY_BYTES;
  const nameEnd = nameStart + archive.readUInt16LE(offset + 28);
  if (nameEnd > end) refuse('has a broken directory; pack it again');
  const nameBytes = archive.subarray(nameStart, nameEnd);
  return {
    name: decodeName(nameBytes),
    nameBytes,
    flags: archive.readUInt16LE(offset + 8),
    method: archive.readUInt16LE(offset + 10),
    crc: archive.readUInt32LE(offset + 16),
    packedSize: archive.readUInt32LE(offset + 20),
    size: archive.readUInt32LE(offset + 24),
    mode: archive.readUInt32LE(offset + 38) >>> 16,
    headerOffset: archive.readUInt32LE(offset + 42),
  };
};

const decodeName = (bytes: Buffer): string => {
  try {
    return UTF8.decode(bytes);
  } catch {
    return refuse('has a file name that is not UTF-8; rename the file');
  }
};

const refuseUnsafeEntry = (entry: Entry): void => {
  const name = shown(entry.name);
  const type = entry.mode & TYPE_BITS;
  const isFolder = entry.name.endsWith('/');
  if (type === LINK)
    refuse(
      `has ${name}, which is a symbolic link; only files are allowed: pack what it points to (zip does without -y), ` +
        'or leave it out, as -x "node_modules/.bin/*" does',
    );
  if (type !== 0 && type !== (isFolder ? FOLDER : REGULAR))
    refuse(`has ${name}, which is a device or of another kind than its name says; only files are allowed`);
  if ((entry.flags & ENCRYPTION_FLAGS) !== 0) refuse(`has ${name} encrypted; pack it without a password`);
  if (entry.method !== STORED && entry.method !== DEFLATED)
    refuse(`has ${name} packed by method ${entry.method}; use deflate`);
  if (entry.size === ZIP64_MARK || entry.packedSize === ZIP64_MARK || entry.headerOffset === ZIP64_MARK)
    refuse(`has ${name} in the ZIP64 form; pack it without`);
  if (isFolder) normalPath(entry.name.slice(0, -1));
  if (isFolder && entry.size !== 0) refuse(`has the folder ${name} with content; pack it again`);
};

const inflate = async (archive: Buffer, entry: Entry): Promise<Uint8Array> => {
  const packed = packedBytes(archive, entry);
  const bytes = entry.method === STORED ? packed : await inflateBounded(packed, entry);
  if (bytes.length !== entry.size)
    refuse(`has ${shown(entry.name)} with ${bytes.length} bytes, but declares ${entry.size}; pack it again`);
  if (crc32(bytes) !== entry.crc)
    refuse(`has ${shown(entry.name)} damaged: its checksum differs; pack it again`);
  return bytes;
};

const packedBytes = (archive: Buffer, entry: Entry): Buffer => {
  const offset = entry.headerOffset;
  if (offset + LOCAL_HEADER_BYTES > archive.length || archive.readUInt32LE(offset) !== LOCAL_SIGNATURE)
    refuse(`has no data for ${shown(entry.name)}; pack it again`);
  const nameStart = offset + LOCAL_HEADER_BYTES;
  const nameEnd = nameStart + archive.readUInt16LE(offset + 26);
  if (!archive.subarray(nameStart, nameEnd).equals(entry.nameBytes))
    refuse(`names ${shown(entry.name)} differently in two places; pack it again`);
  const start = nameEnd + archive.readUInt16LE(offset + 28);
  const end = start + entry.packedSize;
  if (end > archive.length) refuse(`is cut off in ${shown(entry.name)}; pack it again`);
  return archive.subarray(start, end);
};

/** Whether the header at an entry's data says something else of it than the directory. */
const contradicts = (archive: Buffer, entry: Entry): boolean => {
  const offset = entry.headerOffset;
  const flags = archive.readUInt16LE(offset + 6);
  if (archive.readUInt16LE(offset + 8) !== entry.method) return true;
  if (((flags ^ entry.flags) & ENCRYPTION_FLAGS) !== 0) return true;
  if ((flags & DESCRIPTOR_FLAG) !== 0) return false;
  const [crc, packedSize, size] = [14, 18, 22].map((at) => archive.readUInt32LE(offset + at));
  // Who does not know beforehand how large a file becomes may leave room for the ZIP64 form here and not use it.
  const isOpen = packedSize === ZIP64_MARK && size === ZIP64_MARK;
  return crc !== entry.crc || (!isOpen && (packedSize !== entry.packedSize || size !== entry.size));
};

/** zlib stops as soon as the output passes the bound, so that a lying size costs no more than the declared one. */
const inflateBounded = async (packed: Buffer, entry: Entry): Promise<Uint8Array> => {
  const options = { maxOutputLength: Math.max(1, entry.size) };
  try {
    // A thread of its own is worth it only for what takes long.
    return entry.size > INFLATE_ASIDE_BYTES
      ? await inflateAside(packed, options)
      : inflateRawSync(packed, options);
  } catch (cause) {
    const lied = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
    return refuse(
      lied
        ? `has ${shown(entry.name)} with more than the ${entry.size} bytes it declares; pack it again`
        : `has ${shown(entry.name)} damaged: it cannot be inflated; pack it again`,
    );
  }
};

const refuse: (why: string) => never = (why) => {
  throw new StrataError('code_invalid', `code.zip: ${why}.`);
};
