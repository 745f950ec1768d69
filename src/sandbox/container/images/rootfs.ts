/**
 * The files of an image before they are an archive: paths, and what lies there.
 *
 * Owns what every image has whatever its runtime (folders, users), and the order. Never has owners other than root,
 * set-user-id bits, devices, or times: nothing of that can be expressed here.
 * Invariant: every path's folders are folders, not links, so that unpacking cannot write elsewhere.
 */
import { posix } from 'node:path';
import { StrataError } from '../../../core/errors.ts';

export type FileContent =
  | { readonly bytes: Uint8Array }
  /** A file of this machine, read when the archive is written. */
  | { readonly source: string; readonly sizeBytes: number };

export type Entry =
  | { readonly kind: 'folder'; readonly sticky: boolean }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly executable: boolean; readonly content: FileContent };

export class Rootfs {
  readonly #entries = new Map<string, Entry>();

  /** Adds one entry and the folders above it. The first one at a path stays; a folder may be named again. */
  add(path: string, entry: Entry): void {
    if (
      !path.startsWith('/') ||
      posix.normalize(path) !== path ||
      path.endsWith('/') ||
      path.includes('\0')
    ) {
      throw broken(`${JSON.stringify(path)} is no plain absolute path`);
    }
    const parent = posix.dirname(path);
    if (parent !== '/') {
      const above = this.#entries.get(parent);
      if (above === undefined) this.add(parent, { kind: 'folder', sticky: false });
      else if (above.kind !== 'folder') throw broken(`${parent} is a ${above.kind}, ${path} needs a folder`);
    }
    const present = this.#entries.get(path);
    if (present === undefined) this.#entries.set(path, entry);
    else if (present.kind !== entry.kind) throw broken(`${path} is a ${present.kind} and a ${entry.kind}`);
  }

  get(path: string): Entry | undefined {
    return this.#entries.get(path);
  }

  /** By path, so that a folder comes before what is in it; the same on every machine and in every locale. */
  sorted(): readonly (readonly [string, Entry])[] {
    return [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Where the container's files are mounted, and what the kernel shows. */
const MOUNT_POINTS = ['/code', '/dev', '/proc', '/run/strata', '/sys'];

/** As Debian has it since all of it lies in /usr. */
const MERGED = { '/bin': 'usr/bin', '/lib': 'usr/lib', '/lib64': 'usr/lib64', '/sbin': 'usr/sbin' };

/** An image with nothing in it but what all have. */
export const emptyRootfs = (): Rootfs => {
  const rootfs = new Rootfs();
  for (const path of MOUNT_POINTS) rootfs.add(path, { kind: 'folder', sticky: false });
  rootfs.add('/tmp', { kind: 'folder', sticky: true });
  for (const [path, target] of Object.entries(MERGED)) {
    rootfs.add(`/${target}`, { kind: 'folder', sticky: false });
    rootfs.add(path, { kind: 'link', target });
  }
  for (const [path, text] of identityFiles()) {
    rootfs.add(path, { kind: 'file', executable: false, content: { bytes: Buffer.from(text) } });
  }
  return rootfs;
};

const FIRST_UID = 20_000;
const UIDS = 1_000;

/** Users and groups: root, and one for each uid that a container's function may run as. */
export const identityFiles = (): ReadonlyMap<string, string> => {
  const uids = Array.from({ length: UIDS }, (_, at) => FIRST_UID + at);
  const users = uids.map((uid) => `function:x:${uid}:${uid}:function:/tmp:/usr/sbin/nologin\n`);
  const groups = uids.map((uid) => `function:x:${uid}:\n`);
  return new Map([
    ['/etc/passwd', ['root:x:0:0:root:/root:/usr/sbin/nologin\n', ...users].join('')],
    ['/etc/group', ['root:x:0:\n', ...groups].join('')],
    [
      '/etc/nsswitch.conf',
      'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    ],
  ]);
};

const broken = (why: string): StrataError =>
  new StrataError('internal_error', `The files of an image contradict each other: ${why}.`);
