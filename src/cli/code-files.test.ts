import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Runtime } from '../core/spec.ts';
import { readCode } from '../registry/code.ts';
import { collectCode } from './code-files.ts';

let root = '';

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'strata-code-'));
});

afterEach(() => rm(root, { recursive: true }));

const write = async (relative: string, text = relative): Promise<string> => {
  const target = path.join(root, relative);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
  return target;
};

describe('collectCode', () => {
  it('takes a .js file as the source and its name as the name', async () => {
    expect(await collectCode(await write('greet.js', 'x'), 'isolate')).toEqual({
      code: { source: 'x' },
      name: 'greet',
    });
  });

  it('keeps the ending of a module, which says how it is read', async () => {
    const { code } = await collectCode(await write('greet.mjs', 'x'), 'isolate');
    expect(code).toEqual({ files: { 'index.mjs': 'x' } });
  });

  it('names an index file after its folder', async () => {
    expect((await collectCode(await write('shop/index.js'), 'isolate')).name).toBe('shop');
  });

  it('takes JavaScript and JSON of a folder, and leaves out the rest', async () => {
    for (const file of ['shop/index.js', 'shop/lib/a.mjs', 'shop/lib/b.cjs', 'shop/data.json'])
      await write(file);
    for (const file of ['node_modules/x/index.js', '.git/a.js', '.env.js', 'README.md'])
      await write(`shop/${file}`);
    const { code, name, note } = await collectCode(path.join(root, 'shop'), 'isolate');
    expect(name).toBe('shop');
    expect(note).toBe('node_modules is left out; --runtime nodejs24 takes it');
    expect(await collectCode(path.join(root, 'shop'), 'nodejs24')).not.toHaveProperty('note');
    expect(await collectCode(path.join(root, 'shop', 'lib'), 'isolate')).not.toHaveProperty('note');
    expect(code).toEqual({
      files: {
        'index.js': 'shop/index.js',
        'data.json': 'shop/data.json',
        'lib/a.mjs': 'shop/lib/a.mjs',
        'lib/b.cjs': 'shop/lib/b.cjs',
      },
    });
  });

  it('refuses symbolic links, given or inside', async () => {
    const secret = await write('secret.js');
    await write('shop/index.js');
    await symlink(secret, path.join(root, 'shop', 'link.js'));
    await expect(collectCode(path.join(root, 'shop'), 'isolate')).rejects.toThrow(
      /link\.js is a symbolic link/,
    );
    await expect(collectCode(path.join(root, 'shop', 'link.js'), 'isolate')).rejects.toMatchObject({
      code: 'code_invalid',
    });
  });

  it('refuses what holds no code', async () => {
    await mkdir(path.join(root, 'empty'));
    await expect(collectCode(path.join(root, 'empty'), 'isolate')).rejects.toThrow(/nothing to run/);
    await expect(collectCode(path.join(root, 'missing'), 'isolate')).rejects.toThrow(/ENOENT/);
    await expect(collectCode(await write('notes.txt'), 'isolate')).rejects.toMatchObject({
      code: 'code_invalid',
    });
  });
});

describe('collectCode for a container', () => {
  const unzipped = async (given: string, runtime: Runtime): Promise<Record<string, string>> => {
    const { code } = await collectCode(given, runtime);
    if (!('zip' in code)) throw new Error('an archive was expected');
    const limits = { codeMaxBytes: 1_000_000, containerCodeMaxBytes: 1_000_000 };
    const spec = { runtime, handler: 'index.handler', initializer: null };
    const { files } = await readCode(code, spec, limits);
    return Object.fromEntries(
      [...files].map(([name, { bytes, executable }]) => [
        name,
        `${executable ? 'x ' : ''}${Buffer.from(bytes).toString('latin1')}`,
      ]),
    );
  };

  it('takes a whole tree with its modes, but for what begins with a dot, in an archive', async () => {
    await write('app/index.mjs', '1');
    await write('app/node_modules/x/index.js', '2');
    await write('app/.env', 'secret');
    await mkdir(path.join(root, 'app/node_modules/.bin'));
    await symlink('../x/index.js', path.join(root, 'app/node_modules/.bin/x'));
    await writeFile(path.join(root, 'app/data.bin'), Buffer.from([0xff, 0xfe]));
    await chmod(await write('app/tool', '#!/bin/sh'), 0o755);
    expect(await unzipped(path.join(root, 'app'), 'nodejs24')).toEqual({
      ...{ 'index.mjs': '1', 'node_modules/x/index.js': '2', 'data.bin': '\xff\xfe', tool: 'x #!/bin/sh' },
    });
  });

  it('takes a .py file as the source, and any file as the bootstrap of provided', async () => {
    const python = await write('greet.py', 'x');
    expect(await collectCode(python, 'python3')).toEqual({ code: { source: 'x' }, name: 'greet' });
    expect(await unzipped(await write('bin/worker', 'y'), 'provided')).toEqual({ bootstrap: 'x y' });
    expect((await collectCode(await write('job/bootstrap'), 'provided')).name).toBe('job');
    await expect(collectCode(await write('a.js'), 'python3')).rejects.toThrow(/a file of \.py/);
  });

  it('names the runtime that a Python file needs', async () => {
    const python = await write('greet.py');
    for (const runtime of ['isolate', 'nodejs24'] as const)
      await expect(collectCode(python, runtime)).rejects.toThrow(/For a \.py file give --runtime python3\.$/);
    await expect(collectCode(await write('notes.txt'), 'isolate')).rejects.toThrow(/\.cjs\.$/);
  });

  it('takes an archive as it is', async () => {
    expect(await collectCode(await write('packed.zip', 'PK'), 'python3')).toEqual({
      code: { zip: Buffer.from('PK').toString('base64') },
      name: 'packed',
    });
  });

  it('refuses symbolic links and empty folders', async () => {
    await write('app/index.py');
    await symlink('/etc/passwd', path.join(root, 'app', 'passwd'));
    await expect(collectCode(path.join(root, 'app'), 'python3')).rejects.toThrow(/passwd is a symbolic link/);
    await mkdir(path.join(root, 'none'));
    await expect(collectCode(path.join(root, 'none'), 'python3')).rejects.toThrow(/holds no file/);
  });
});
