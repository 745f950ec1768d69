/**
 * What a function in a container may do although it is confined, and what this machine's kernel says of its processes
 * from the outside. What it may not is in the hostile corpus.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ContainerEngine } from '../../src/sandbox/container/engine.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import type { ContainerTemplate } from '../../src/sandbox/container/template.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { processesOf, statusOf } from './processes.ts';
import { openSandboxes } from './sandboxes.ts';

const ECHO = { nodejs24: 'exports.handler = (event) => event;', python3: 'def handler(e, c): return e\n' };
const LOCALHOST = `exports.handler = async () => {
  const server = require('http').createServer((_, answer) => answer.end('hello')).listen(0, 'localhost');
  await require('events').once(server, 'listening');
  const own = await (await fetch('http://localhost:' + server.address().port)).text();
  server.close();
  return { own, other: await require('dns/promises').lookup('example.com').catch(({ code }) => code) };
};`;

await describeContainers('a Python function in a container', ['python3'], () => {
  it('may open its own outputs by their names', async () => {
    const python = await openSandboxes('python3');
    const { result } = await python.serve(
      'def handler(e, c):\n  with open("/dev/stdout", "w") as out: out.write("by name\\n")\n  return True\n',
    );
    expect(await result()).toBe(true);
    await python.close();
  });
});

await describeContainers('a Node function in a container', ['nodejs24'], () => {
  it('reaches itself by the name localhost, and nobody else by any', async () => {
    const node = await openSandboxes('nodejs24');
    const { result } = await node.serve(LOCALHOST);
    expect(await result()).toMatchObject({ own: 'hello', other: expect.stringMatching(/^E/) });
    await node.close();
  });
});

for (const runtime of ['nodejs24', 'python3'] as const) {
  await describeContainers(`the processes of ${runtime} as the kernel shows them`, [runtime], () => {
    it('have no capability, a filter, no way to more, and a user that no other container has', async () => {
      const sandboxes = await openSandboxes(runtime);
      const served = [await sandboxes.serve(ECHO[runtime]), await sandboxes.serve(ECHO[runtime])];
      const users: string[] = [];
      for (const { carrier } of served) {
        const { agent, own } = await processesOf(carrier.id);
        expect(own.length).toBeGreaterThan(0);
        for (const pid of own) {
          for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
            expect(`${set} ${BigInt(`0x${statusOf(pid, set)}`) & ~0xe0n}`).toBe(`${set} 0`);
          for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
            expect(`${set} ${statusOf(pid, set)}`).toBe(`${set} 0000000000000000`);
          expect(statusOf(pid, 'NoNewPrivs')).toBe('1');
          expect(statusOf(pid, 'Seccomp')).toBe('2');
          expect(statusOf(pid, 'Groups')).toBe('');
          users.push(statusOf(pid, 'Uid'));
          expect(statusOf(pid, 'Gid')).toBe(statusOf(pid, 'Uid'));
          expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim()).toBe('500');
          expect(readdirSync(`/proc/${pid}/fd`).filter((name) => Number(name) < 3)).toHaveLength(3);
        }
        // The agent: what it needs to become the function's user and to end that user's processes.
        expect(statusOf(agent, 'CapEff')).toBe('00000000000000e0');
        expect(statusOf(agent, 'CapBnd')).toBe('00000000000000e0');
        expect(statusOf(agent, 'NoNewPrivs')).toBe('1');
      }
      expect(new Set(users.map((uid) => uid.split('\t')[0])).size).toBe(2);
      await sandboxes.close();
    });
  });
}

await describeContainers('a container that is not what its template says', ['python3'], () => {
  type Change = (template: ContainerTemplate) => unknown;
  const hostConfig =
    (change: object): Change =>
    (template) => ({ ...template, HostConfig: { ...template.HostConfig, ...change } });
  const CHANGES: readonly [name: string, change: Change][] = [
    ['a capability more', hostConfig({ CapAdd: ['KILL', 'SETGID', 'SETUID', 'SYS_CHROOT'] })],
    ['no filter', hostConfig({ SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined'] })],
    ['a writable root', hostConfig({ ReadonlyRootfs: false })],
    ['more memory', hostConfig({ Memory: 2 ** 30, MemorySwap: 2 ** 30 })],
    ['a folder of the machine', hostConfig({ Binds: ['/tmp:/machine:ro'] })],
    ['nothing masked', hostConfig({ MaskedPaths: [], ReadonlyPaths: [] })],
    ['the processes of the machine', hostConfig({ PidMode: 'host' })],
    ['its own shared memory', hostConfig({ IpcMode: 'private' })],
    ['another command', (template) => ({ ...template, Cmd: [...template.Cmd, '--uid', '0'] })],
    ['the label of another owner', (template) => ({ ...template, Labels: { 'strata.test': 'x' } })],
  ];

  it.each(CHANGES)('is destroyed before its first use: %s', async (_, change) => {
    const real = dockerEngine(ENGINE_HOST);
    const made: string[] = [];
    const engine: ContainerEngine = {
      ...real,
      async create(template) {
        const id = await real.create(change(template) as ContainerTemplate);
        made.push(id);
        return id;
      },
    };
    const sandboxes = await openSandboxes('python3', { engine });
    await expect(sandboxes.tier.provision()).rejects.toMatchObject({ code: 'start_failed' });
    expect(made).toHaveLength(1);
    for (const id of made) await expect(real.inspect(id)).rejects.toThrow(/No such container/i);
    expect(readdirSync(sandboxes.runFolder)).toEqual([]);
    await sandboxes.close();
  });
});
