import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
    expect(await collectCode(await write('greet.js', 'x'))).toEqual({ code: { source: 'x' }, name: 'greet' });
  });

  it('keeps the ending of a module, which says how it is read', async () => {
    const { code } = await collectCode(await write('greet.mjs', 'x'));
    expect(code).toEqual({ files: { 'index.mjs': 'x' } });
  });

  it('names an index file after its folder', async () => {
    expect((await collectCode(await write('shop/index.js'))).name).toBe('shop');
  });

  it('takes JavaScript and JSON of a folder, and leaves out the rest', async () => {
    for (const file of ['shop/index.js', 'shop/lib/a.mjs', 'shop/lib/b.cjs', 'shop/data.json'])
      await write(file);
    for (const file of ['node_modules/x/index.js', '.git/a.js', '.env.js', 'README.md'])
      await write(`shop/${file}`);
    const { code, name } = await collectCode(path.join(root, 'shop'));
    expect(name).toBe('shop');
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
    await expect(collectCode(path.join(root, 'shop'))).rejects.toThrow(/link\.js is a symbolic link/);
    await expect(collectCode(path.join(root, 'shop', 'link.js'))).rejects.toMatchObject({
      code: 'code_invalid',
    });
  });

  it('refuses what holds no code', async () => {
    await mkdir(path.join(root, 'empty'));
    await expect(collectCode(path.join(root, 'empty'))).rejects.toThrow(/nothing to run/);
    await expect(collectCode(path.join(root, 'missing'))).rejects.toThrow(/ENOENT/);
    await expect(collectCode(await write('notes.txt'))).rejects.toMatchObject({ code: 'code_invalid' });
  });
});
