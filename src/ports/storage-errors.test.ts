import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { storageError } from './storage-errors.ts';

const thrownBy = (work: () => void): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('did not throw');
};
const errorOf = (cause: unknown) => storageError('The code in /data/code', '/data/code', cause);
const sqlite = (errcode: number): Error => Object.assign(new Error('as SQLite says'), { errcode });

describe('an error of the disk', () => {
  it('is storage_full when the kernel has no space left', () => {
    const error = errorOf(thrownBy(() => writeFileSync('/dev/full', 'x')));
    expect(error).toMatchObject({ code: 'storage_full', retryable: true });
    expect(error.message).toBe(
      'The disk is full: the code in /data/code cannot be written. ' +
        'Free space in /data/code, then send the request again; nothing is lost.',
    );
  });

  it('tells to make the folder writable when it is not', () => {
    const denied = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    for (const cause of [denied, sqlite(8), sqlite(1544)]) {
      expect(errorOf(cause)).toMatchObject({ code: 'internal_error' });
      expect(errorOf(cause).message).toMatch(/Make \/data\/code .* writable/);
    }
  });

  it('speaks of a backup only for what is damaged', () => {
    expect(errorOf(sqlite(11)).message).toMatch(/backup/);
    const other = [sqlite(10), thrownBy(() => mkdirSync('/dev/null/x')), new Error('database is not open')];
    for (const cause of other) expect(errorOf(cause).message).not.toMatch(/backup|move it away/);
  });

  it('is a conflict when another process has the database, however SQLite refines it', () => {
    expect(errorOf(sqlite(5 | (1 << 8)))).toMatchObject({ code: 'conflict' });
  });
});
