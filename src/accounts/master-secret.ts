/**
 * The secret from which the secrets for signing are derived: a file beside the database, or memory.
 *
 * Owns the file. Made when the first key that may sign is; never replaced, because every secret of every key would
 * change with it. Invariant: only its owner can read it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { StrataError } from '../core/errors.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';

export class MasterSecret {
  readonly #path: string | null;
  readonly #random: Random;
  #secret: Uint8Array | null = null;
  /** In place of one that there is not: nothing was ever signed with what is derived from it. */
  readonly #decoy: Uint8Array;

  /** @param path null for memory. @throws StrataError `internal_error` for a file that holds something else. */
  constructor(path: string | null, random: Random) {
    this.#path = path;
    this.#random = random;
    this.#decoy = random.bytes(BYTES);
    if (path !== null) this.#secret = read(path);
  }

  get exists(): boolean {
    return this.#secret !== null;
  }

  get(): Uint8Array {
    return this.#secret ?? this.#decoy;
  }

  /** @throws StrataError when it cannot be written. */
  make(): void {
    if (this.#secret !== null) return;
    const secret = this.#random.bytes(BYTES);
    if (this.#path !== null) write(this.#path, secret);
    this.#secret = secret;
  }
}

const BYTES = 32;
const TEXT = /^[A-Za-z0-9_-]{43}\n?$/;

const read = (path: string): Uint8Array | null => {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw storageError(`The file ${path}`, dirname(path), cause);
  }
  if (!TEXT.test(text))
    throw new StrataError(
      'internal_error',
      `The file ${path} is not one secret of 32 bytes; restore it from a backup. Without it no signed request can be ` +
        'checked: to give up all keys that sign, move it and accounts.db away.',
    );
  return Buffer.from(text.trim(), 'base64url');
};

const write = (path: string, secret: Uint8Array): void => {
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      writeSync(file, `${Buffer.from(secret).toString('base64url')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw storageError(`The file ${path}`, dirname(path), cause);
  }
};
