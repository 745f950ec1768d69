/**
 * The code of functions, content-addressed: on disk, or in memory.
 *
 * Owns where artifacts are and what of them is kept in memory. Never knows which function uses which artifact.
 * Invariants: what is loaded has the digest it was asked for by; an artifact is complete under its name or not there
 * at all, because it is written beside and renamed.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StrataError } from '../core/errors.ts';
import type { CodeFiles } from '../core/spec.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';
import { type Artifact, decodeArtifact, digestOf } from './artifact-format.ts';

export interface ArtifactStore {
  /**
   * Resolves when the artifact is on the disk.
   * @throws StrataError `storage_full` when the disk is full, `internal_error` when it cannot be written.
   */
  put(artifact: Artifact): Promise<void>;
  /**
   * The files with this digest.
   * @throws StrataError `internal_error` when they are gone or are not what was stored.
   */
  load(digest: string): Promise<CodeFiles>;
  /** Removes an artifact from the disk; nothing happens when there is none. */
  remove(digest: string): void;
  /** Removes every artifact that is not in the set, and what a crash left half written. */
  sweep(used: ReadonlySet<string>): void;
}

export interface ArtifactOptions {
  /** The folder for artifacts; made when it is missing. */
  readonly folder: string;
  readonly random: Random;
  /** Bytes of decoded artifacts kept in memory; those used longest ago go first. */
  readonly cacheMaxBytes?: number;
}

export const openArtifactStore = (options: ArtifactOptions): ArtifactStore => {
  const { folder, random } = options;
  const cache = new ArtifactCache(options.cacheMaxBytes ?? CACHE_MAX_BYTES);
  const pathOf = (digest: string): string => join(folder, digest.slice(0, 2), digest);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    async put({ digest, bytes }) {
      // A damaged artifact under the right name is written again: deploying once more mends it.
      if (!(await isStored(pathOf(digest), digest))) await write(pathOf(digest), bytes, random.uuid());
    },
    async load(digest) {
      const cached = cache.get(digest);
      if (cached !== undefined) return cached;
      const bytes = await readStored(pathOf(digest), digest);
      const files = decodeArtifact(bytes);
      cache.add(digest, files, bytes.length);
      return files;
    },
    remove(digest) {
      cache.delete(digest);
      try {
        rmSync(pathOf(digest), { force: true });
      } catch {
        // What cannot be removed now is unused, harmless, and removed by the sweep at the next start.
      }
    },
    sweep(used) {
      for (const bucket of readdirSync(folder, { withFileTypes: true })) {
        if (!bucket.isDirectory() || !BUCKET.test(bucket.name)) continue;
        for (const name of readdirSync(join(folder, bucket.name)))
          if (!used.has(name) && ARTIFACT_OR_PART.test(name)) rmSync(join(folder, bucket.name, name));
      }
    },
  };
};

/** Artifacts that live as long as the process. */
export const openMemoryArtifactStore = (): ArtifactStore => {
  const artifacts = new Map<string, CodeFiles>();
  return {
    async put({ digest, bytes }) {
      artifacts.set(digest, decodeArtifact(bytes));
    },
    async load(digest) {
      return artifacts.get(digest) ?? lost(digest, 'it is not there');
    },
    remove: (digest) => void artifacts.delete(digest),
    sweep(used) {
      for (const digest of artifacts.keys()) if (!used.has(digest)) artifacts.delete(digest);
    },
  };
};

const CACHE_MAX_BYTES = 64 * 1024 * 1024;
const BUCKET = /^[0-9a-f]{2}$/;
/** Other names are not from here, so a sweep leaves them alone. */
const ARTIFACT_OR_PART = /^[0-9a-f]{64}(?:\.[0-9a-f-]{36}\.part)?$/;

/** Decoded artifacts, the most recently used last, within a number of bytes. */
class ArtifactCache {
  readonly #entries = new Map<string, { files: CodeFiles; bytes: number }>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(digest: string): CodeFiles | undefined {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    return entry.files;
  }

  add(digest: string, files: CodeFiles, bytes: number): void {
    this.delete(digest);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(digest, { files, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
    }
  }

  delete(digest: string): void {
    this.#bytes -= this.#entries.get(digest)?.bytes ?? 0;
    this.#entries.delete(digest);
  }
}

const isStored = async (path: string, digest: string): Promise<boolean> => {
  try {
    return (await digestOf(await readFile(path))) === digest;
  } catch {
    return false;
  }
};

const readStored = async (path: string, digest: string): Promise<Buffer> => {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    return lost(digest, `${path} cannot be read`, cause);
  }
  const found = await digestOf(bytes);
  return found === digest ? bytes : lost(digest, `${path} has the digest ${found}`);
};

const write = async (path: string, bytes: Buffer, unique: string): Promise<void> => {
  const folder = dirname(path);
  const part = `${path}.${unique}.part`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await using file = await open(part, 'wx', 0o600);
    await file.writeFile(bytes);
    await file.sync();
    await rename(part, path);
    await syncFolder(folder);
    await syncFolder(dirname(folder));
  } catch (cause) {
    await rm(part, { force: true }).catch(() => undefined);
    throw storageError(`The code in ${folder}`, folder, cause);
  }
};

/** Without it a power cut could undo the rename. */
const syncFolder = async (path: string): Promise<void> => {
  await using folder = await open(path, 'r');
  await folder.sync();
};

const lost = (digest: string, why: string, cause?: unknown): never => {
  throw new StrataError(
    'internal_error',
    `The stored code ${digest} is not what was deployed: ${why}. Deploy the function again.`,
    { cause },
  );
};
