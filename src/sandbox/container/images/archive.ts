/**
 * An image's files as a tar stream: the same bytes for the same files, whoever writes it and when.
 *
 * Owns owners, times and modes of the archive. The digest is of what was written.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type Readable, Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Headers, type Pack, pack } from 'tar-stream';
import type { Entry, FileContent, Rootfs } from './rootfs.ts';

export interface Archive {
  readonly stream: Readable;
  /** `sha256:…` of the archive: what an engine that imports it calls the layer. Known when it is written. */
  readonly digest: Promise<string>;
}

/** Reading has to begin for anything to happen; a failure destroys the stream, and `digest` rejects. */
export const archiveOf = (rootfs: Rootfs): Archive => {
  const archive = pack();
  const hash = createHash('sha256');
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const failed = (thrown: unknown): never => {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    stream.destroy(error);
    throw error;
  };
  archive.pipe(stream);
  // A reader that leaves stops the writing.
  stream.once('close', () => void archive.destroy());
  const whole = Promise.all([finished(stream), writeAll(archive, rootfs).catch(failed)]);
  const digest = whole.then(() => `sha256:${hash.digest('hex')}`);
  // Who only reads the stream sees the failure there.
  digest.catch(() => undefined);
  return { stream, digest };
};

const writeAll = async (archive: Pack, rootfs: Rootfs): Promise<void> => {
  for (const [path, entry] of rootfs.sorted()) await writeEntry(archive, path, entry);
  archive.finalize();
};

const OWNER = { uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) };

const writeEntry = (archive: Pack, path: string, entry: Entry): Promise<void> => {
  const name = path.slice(1);
  if (entry.kind === 'file') {
    const mode = entry.executable ? 0o755 : 0o644;
    return writeFile(archive, { ...OWNER, name, mode, type: 'file' }, entry.content);
  }
  if (entry.kind === 'link') {
    return write(archive, { ...OWNER, name, mode: 0o777, type: 'symlink', linkname: entry.target });
  }
  return write(archive, { ...OWNER, name, mode: entry.sticky ? 0o1777 : 0o755, type: 'directory' });
};

const writeFile = (archive: Pack, header: Headers, content: FileContent): Promise<void> => {
  if ('bytes' in content) return write(archive, header, Buffer.from(content.bytes));
  // An empty file is complete with its header; nothing may be piped into it.
  if (content.sizeBytes === 0) return write(archive, header, Buffer.alloc(0));
  return copy(archive, { ...header, size: content.sizeBytes }, content.source);
};

const write = (archive: Pack, header: Headers, bytes?: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (bytes === undefined) archive.entry(header, done);
    else archive.entry(header, bytes, done);
  });

/** Settles when the entry is complete with its padding, which is later than when the file is read. */
const copy = (archive: Pack, header: Headers, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const source = createReadStream(path);
    const sink = archive.entry(header, (error) =>
      error ? reject(new Error(`${path} changed or could not be read: ${error.message}`)) : resolve(),
    );
    const stop = (): void => void source.destroy();
    archive.once('close', stop);
    source.once('close', () => void archive.off('close', stop));
    source.on('error', (error) => {
      reject(error);
      sink.destroy();
    });
    source.pipe(sink);
  });
