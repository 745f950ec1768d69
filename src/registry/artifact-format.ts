/**
 * How the files of a function are written as one run of bytes, and their digest.
 *
 * Owns the encoding. Never touches a disk. Layout, little endian: eight bytes of magic, u32 count; for each file u32
 * flags (1 executable), u32 bytes of its path, u32 bytes of its content, then both. Files are sorted by path, so that
 * equal code has an equal digest. Invariant: what earlier versions wrote, JSON pairs of path and text, is still read.
 */
import { createHash } from 'node:crypto';
import { type CodeFile, type CodeFiles, textFile } from '../core/spec.ts';
import { Breath, slices } from './breath.ts';

/** Files as they are stored. */
export interface Artifact {
  /** SHA-256 of the bytes, lower-case hex. */
  readonly digest: string;
  readonly bytes: Buffer;
}

/** One encoding for one set of files. */
export const encodeArtifact = async (files: CodeFiles): Promise<Artifact> => {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const parts: Uint8Array[] = [MAGIC, u32(sorted.length)];
  for (const [path, file] of sorted) {
    const name = Buffer.from(path, 'utf8');
    parts.push(u32(file.executable ? EXECUTABLE : 0), u32(name.length), u32(file.bytes.length));
    parts.push(name, file.bytes);
  }
  const bytes = Buffer.concat(parts);
  return { digest: await digestOf(bytes), bytes };
};

/**
 * The files of an artifact; their bytes are views of it.
 * @throws Error when it is not one: whoever checked the digest before never sees that.
 */
export const decodeArtifact = (bytes: Buffer): CodeFiles => {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return decodeText(bytes);
  const files = new Map<string, CodeFile>();
  const count = bytes.readUInt32LE(MAGIC.length);
  let offset = MAGIC.length + WORD;
  for (let index = 0; index < count; index += 1) {
    const flags = bytes.readUInt32LE(offset);
    const nameEnd = offset + 3 * WORD + bytes.readUInt32LE(offset + WORD);
    const end = nameEnd + bytes.readUInt32LE(offset + 2 * WORD);
    if (end > bytes.length) throw new RangeError('the artifact is cut off');
    files.set(bytes.toString('utf8', offset + 3 * WORD, nameEnd), {
      bytes: bytes.subarray(nameEnd, end),
      executable: (flags & EXECUTABLE) !== 0,
    });
    offset = end;
  }
  return files;
};

/** SHA-256, lower-case hex; in slices, because code may be large. */
export const digestOf = async (bytes: Uint8Array): Promise<string> => {
  const hash = createHash('sha256');
  const breath = new Breath();
  for (const slice of slices(bytes)) {
    hash.update(slice);
    await breath.after(slice.length);
  }
  return hash.digest('hex');
};

const MAGIC = Buffer.from('STRATA\0\x01', 'latin1');
const WORD = 4;
const EXECUTABLE = 1;

const u32 = (value: number): Buffer => {
  const word = Buffer.alloc(WORD);
  word.writeUInt32LE(value);
  return word;
};

const decodeText = (bytes: Buffer): CodeFiles => {
  const texts = JSON.parse(bytes.toString('utf8')) as readonly (readonly [string, string])[];
  return new Map(texts.map(([path, text]) => [path, textFile(path, text)]));
};
