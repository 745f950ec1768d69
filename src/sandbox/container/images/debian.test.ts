import { describe, expect, it } from 'vitest';
import { CommandError, type Commands } from '../../../ports/commands.ts';
import { filesOf, findPackages, ownersOf } from './debian.ts';

/** A machine whose dpkg answers from a table of rows `name version depends`. */
const machine = (packages: Readonly<Record<string, readonly [string, string]>>): Commands => ({
  run: async ({ args: [question, ...rest] }) => {
    if (question === '--listfiles') return { exitCode: 0, stdout: '/.\n/usr\n/usr/bin/a\n\n', stderr: '' };
    if (question === '--search') {
      return { exitCode: 1, stdout: 'b:amd64: /lib/b.so\ndiversion by c from: /usr/x\n', stderr: 'no path' };
    }
    const rows = rest.flatMap((name) => {
      const row = packages[name];
      return row === undefined ? [] : [`${name}\tinstalled\t${row[0]}\t\t${row[1]}`];
    });
    return { exitCode: rows.length < rest.length ? 1 : 0, stdout: `${rows.join('\n')}\n`, stderr: '' };
  },
});

describe('findPackages', () => {
  it('follows the dependencies whose whole name matches, and only these', async () => {
    const commands = machine({
      python3: ['3.11', 'python3.11 (>= 3.11) | other, libc6'],
      'python3.11': ['3.11.2', 'libpython3.11-stdlib:any (= 3.11.2), xpython3.11y'],
      'libpython3.11-stdlib': ['3.11.2', 'libdb5.3'],
    });
    const found = await findPackages(commands, ['python3'], '(lib)?python3\\.\\d+(-stdlib)?');
    expect(found.map(({ name }) => name)).toEqual(['libpython3.11-stdlib', 'python3', 'python3.11']);
  });

  it('names all that are missing, and the command that installs them', async () => {
    const missing = findPackages(machine({ a: ['1', ''] }), ['a', 'bb', 'cc'], null);
    await expect(missing).rejects.toMatchObject({
      code: 'runtime_unavailable',
      message: expect.stringContaining('`apt-get install --no-install-recommends bb cc`'),
    });
  });

  it('says that a machine without dpkg cannot give its packages', async () => {
    const commands: Commands = {
      run: () => Promise.reject(new CommandError('dpkg-query is not installed', true)),
    };
    await expect(findPackages(commands, ['a'], null)).rejects.toThrow(/--from registry/);
  });
});

describe('what dpkg prints', () => {
  it('is read without what is no path, and without diversions', async () => {
    const commands = machine({ b: ['2', ''] });
    expect(await filesOf(commands, [{ name: 'a', version: '1' }])).toEqual(['/usr', '/usr/bin/a']);
    expect(await ownersOf(commands, ['/usr/lib/b.so'])).toEqual([{ name: 'b', version: '2' }]);
  });
});
