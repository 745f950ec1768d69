import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openCpuGroups, sweepCpuGroups } from './cpu-groups.ts';
import { processName } from './process-label.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** Files of a kernel as far as they are read; a real one makes them itself. */
const kernel = async (selfCgroup: string, files: Readonly<Record<string, string>>) => {
  const root = await mkdtemp(join(tmpdir(), 'strata-cgroups-'));
  folders.push(root);
  const roots = { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') };
  const all = { 'proc/self/cgroup': selfCgroup, ...files };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { root, roots };
};

const BASE = `strata-${processName()}`;

describe('openCpuGroups', () => {
  it('makes groups with weights below its own group, version 1', async () => {
    const { root, roots } = await kernel('3:cpu,cpuacct:/svc\n0::/\n', { 'cgroup/cpu/svc/tasks': '' });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    expect(groups.version).toBe(1);
    const folder = join(root, 'cgroup/cpu/svc', `${BASE}.tenant-a`);
    await groups.make('tenant-a');
    await groups.add('tenant-a', 123);
    expect(await readFile(join(folder, 'cpu.shares'), 'utf8')).toBe('1024');
    expect(await readFile(join(folder, 'cgroup.procs'), 'utf8')).toBe('123');
  });

  it('makes a group give way, and gives it its weight back', async () => {
    const { root, roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    await groups.make('tenant-a');
    const folder = join(root, 'cgroup/cpu', `${BASE}.tenant-a`);
    await writeFile(join(folder, 'cpu.idle'), '0');
    await groups.giveWay('tenant-a', true);
    expect(await readFile(join(folder, 'cpu.idle'), 'utf8')).toBe('1');
    await writeFile(join(folder, 'cpu.shares'), '2');
    await groups.giveWay('tenant-a', false);
    expect(await readFile(join(folder, 'cpu.idle'), 'utf8')).toBe('0');
    expect(await readFile(join(folder, 'cpu.shares'), 'utf8')).toBe('1024');
  });

  it('makes it as light as it can be where the kernel knows no such thing', async () => {
    const { root, roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    await groups.make('tenant-a');
    await groups.giveWay('tenant-a', true);
    const folder = join(root, 'cgroup/cpu', `${BASE}.tenant-a`);
    expect((await readdir(folder)).sort()).toEqual(['cpu.shares']);
    expect(await readFile(join(folder, 'cpu.shares'), 'utf8')).toBe('2');
  });

  it('lets groups below have weights, version 2', async () => {
    const { root, roots } = await kernel('0::/user.slice/app\n', {
      'cgroup/user.slice/app/cgroup.controllers': 'cpu memory\n',
      'cgroup/user.slice/app/cgroup.subtree_control': '',
    });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    expect(groups.version).toBe(2);
    const own = join(root, 'cgroup/user.slice/app');
    expect(await readFile(join(own, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu');
    await groups.make('tenant-a');
    expect(await readFile(join(own, `${BASE}.tenant-a`, 'cpu.weight'), 'utf8')).toBe('100');
  });

  it('says why there can be none where the controller is not delegated', async () => {
    const { roots } = await kernel('0::/app\n', { 'cgroup/app/cgroup.controllers': 'memory\n' });
    expect(await openCpuGroups(roots)).toContain('the controller cpu is not delegated');
  });

  it('says why there can be none where there are no control groups', async () => {
    const { roots } = await kernel('', {});
    expect(await openCpuGroups(roots)).toContain('ENOENT');
  });

  it('makes a group anew that is gone when it is needed next', async () => {
    const { root, roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    const folder = join(root, 'cgroup/cpu', `${BASE}.starting`);
    await rm(folder, { recursive: true });
    await groups.add('starting', 123);
    expect(await readFile(join(folder, 'cgroup.procs'), 'utf8')).toBe('123');
    expect(await readFile(join(folder, 'cpu.shares'), 'utf8')).toBe('1024');
    await rm(folder, { recursive: true });
    await groups.giveWay('starting', true);
    expect(await readFile(join(folder, 'cpu.shares'), 'utf8')).toBe('2');
  });

  it('refuses names that are not one folder below its own', async () => {
    const { roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const groups = await openCpuGroups(roots);
    if (typeof groups === 'string') throw new Error(groups);
    for (const name of ['..', '../x', 'a/b', '', '.'])
      await expect(groups.make(name)).rejects.toThrow('name');
  });
});

describe('sweepCpuGroups', () => {
  const namespace = processName().split('-')[2];
  const ENDED = `strata-999999999-1-${namespace}`;
  const ELSEWHERE = 'strata-999999999-1-1';

  it('removes the groups of servers that have ended, and no others', async () => {
    const { root, roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const parent = join(root, 'cgroup/cpu');
    const left = ['docker', `${BASE}.tenant-b`, `${ELSEWHERE}.tenant-a`, `${ELSEWHERE}.starting`];
    for (const name of [...left, `${ENDED}.tenant-a`, `${ENDED}.starting`])
      await mkdir(join(parent, name), { recursive: true });
    await sweepCpuGroups(roots);
    expect((await readdir(parent)).sort()).toEqual([...left, 'tasks'].sort());
  });

  it('is not what opening does: who only looks at the machine takes nothing away', async () => {
    const { root, roots } = await kernel('3:cpu:/\n', { 'cgroup/cpu/tasks': '' });
    const parent = join(root, 'cgroup/cpu');
    await mkdir(join(parent, `${ENDED}.tenant-a`));
    await openCpuGroups(roots);
    expect(await readdir(parent)).toContain(`${ENDED}.tenant-a`);
  });
});
