/**
 * Archives that no honest tool makes, byte by byte where no tool makes them at all; base64, as they are uploaded.
 */
import { deflateRawSync } from 'node:zlib';

const LOCAL_BYTES = 30;
const DIRECTORY_BYTES = 46;
const END_BYTES = 22;
const DEFLATED = 8;

const endRecord = (entries: number, directoryBytes: number, directoryStart: number): Buffer => {
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries, 8);
  end.writeUInt16LE(entries, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(directoryStart, 16);
  return end;
};

/** A directory of so many entries, all of one name and without data, under an end record that declares what it can. */
export const zipOfEntries = (count: number, declared: number): { readonly zip: string } => {
  const entry = Buffer.alloc(DIRECTORY_BYTES + 1);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(1, 28);
  entry.write('f', DIRECTORY_BYTES);
  const directory = Buffer.alloc(entry.length * count, entry);
  return base64(Buffer.concat([directory, endRecord(declared, directory.length, 0)]));
};

/** One file that inflates to so many zeros, whatever it declares. */
export const zipOfZeros = (path: string, bytes: number, declared: number): { readonly zip: string } => {
  const packed = deflateRawSync(Buffer.alloc(bytes), { level: 9 });
  const name = Buffer.from(path);
  const local = Buffer.alloc(LOCAL_BYTES);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(DEFLATED, 8);
  local.writeUInt32LE(packed.length, 18);
  local.writeUInt32LE(declared, 22);
  local.writeUInt16LE(name.length, 26);
  const directory = Buffer.alloc(DIRECTORY_BYTES);
  directory.writeUInt32LE(0x02014b50, 0);
  directory.writeUInt16LE(DEFLATED, 10);
  directory.writeUInt32LE(packed.length, 20);
  directory.writeUInt32LE(declared, 24);
  directory.writeUInt16LE(name.length, 28);
  const start = LOCAL_BYTES + name.length + packed.length;
  const end = endRecord(1, DIRECTORY_BYTES + name.length, start);
  return base64(Buffer.concat([local, name, packed, directory, name, end]));
};

const base64 = (bytes: Buffer): { readonly zip: string } => ({ zip: bytes.toString('base64') });
