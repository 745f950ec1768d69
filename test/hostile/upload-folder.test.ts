/**
 * Where uploads write: every attack of the group is made on a server whose folders nobody else uses, and afterwards nothing is
 * in them but what the server itself calls its own.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { UPLOAD_CASES } from '../../src/attack/corpus/upload.ts';
import { Target } from '../../src/attack/target.ts';
import { startServer } from '../e2e/server-process.ts';

/** What a data folder holds: the tables of each part, the key that signatures are made from, and code by its digest. */
const OWN =
  /^data(?:\/(?:(?:strata|accounts|ledger|queue|lambda)\.db(?:-wal|-shm)?|signing\.key|lock|code(?:\/[0-9a-f]{2}(?:\/[0-9a-f]{64})?)?))?$/;

it('writes nothing outside of the data folder, and nothing in it but code by its digest, whatever is uploaded', async () => {
  const parent = await mkdtemp(path.join(tmpdir(), 'strata-upload-'));
  try {
    await mkdir(path.join(parent, 'tmp'));
    const server = await startServer(['--data-dir', path.join(parent, 'data')], {
      TMPDIR: path.join(parent, 'tmp'),
    });
    const target = new Target({ url: server.url, fetch });
    const before = await readdir(path.join(parent, 'tmp'));
    for (const attackCase of UPLOAD_CASES) if ('wire' in attackCase) await attackCase.wire(target);
    const found = (await readdir(parent, { recursive: true })).filter((name) => !name.startsWith('tmp'));
    const left = await readdir(path.join(parent, 'tmp'));
    await server.stop();
    expect(found.filter((name) => !OWN.test(name))).toEqual([]);
    expect(found.filter((name) => /\/[0-9a-f]{64}$/.test(name)).length).toBeGreaterThan(0);
    expect(left).toEqual(before);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}, 60_000);
