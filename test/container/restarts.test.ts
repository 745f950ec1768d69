/**
 * Servers that die and start again, stand side by side, and close: whose containers go, and that no other's do.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dockerEngine, type ListedContainer } from '../../src/sandbox/container/engine.ts';
import { eventually } from '../limits/bench.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const LIMIT_MS = 10_000;
const WHERE = 'import socket\ndef handler(event, context): return socket.gethostname()\n';

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<void>;
}

const serve = async (dataDir: string, runDir: string): Promise<Server> => {
  const { PATH = '' } = process.env;
  const env = { PATH, DOCKER_HOST: ENGINE_HOST, STRATA_CONTAINER_RUN_DIR: runDir };
  const args = [MAIN, 'serve', '--port', '0', '--data-dir', dataDir];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const found = /listens on (http:\/\/\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`the server ended: ${text}`)));
  });
  return { child, url, ended };
};

const call = async ({ url }: Server, method: string, path: string, body: unknown): Promise<unknown> => {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) })).json();
};

await describeContainers(
  'a server that is killed and started again',
  ['nodejs24', 'python3', 'provided'],
  () => {
    let dataDir: string;
    let runDir: string;
    let other: Containers;
    const servers: Server[] = [];
    beforeAll(async () => {
      dataDir = await mkdtemp(join(tmpdir(), 'strata-data-'));
      runDir = await mkdtemp(join(tmpdir(), 'strata-run-'));
      other = await openContainers({ runDir });
      await other.deploy('where', 'python3', WHERE);
    });
    afterAll(async () => {
      for (const { child, ended } of servers) {
        child.kill('SIGKILL');
        await ended;
      }
      await other.close();
      await rm(dataDir, { recursive: true, force: true });
      await rm(runDir, { recursive: true, force: true });
    });

    const listed = async (): Promise<readonly ListedContainer[]> => {
      const owner = (await readFile(join(dataDir, 'container-owner'), 'utf8')).trim();
      return dockerEngine(ENGINE_HOST).list({ 'strata.owner': owner });
    };
    const boots = async (): Promise<ReadonlySet<string | undefined>> =>
      new Set((await listed()).map(({ labels }) => labels['strata.boot']));

    it('removes what it left, and touches nothing of another', async () => {
      const neighbour = await other.result<string>('where');
      const first = await serve(dataDir, runDir);
      servers.push(first);
      const code = { files: { 'index.py': WHERE } };
      await call(first, 'PUT', '/v1/functions/where', { runtime: 'python3', code });
      const where = await call(first, 'POST', '/v1/functions/where/invocations', {});
      const before = await boots();
      expect((await listed()).some(({ id }) => id.startsWith(String(where)))).toBe(true);
      expect(before.size).toBe(1);
      first.child.kill('SIGKILL');
      await first.ended;
      expect((await listed()).length).toBeGreaterThan(0);

      const second = await serve(dataDir, runDir);
      servers.push(second);
      for (const boot of await boots()) expect(before.has(boot)).toBe(false);
      expect(readdirSync(runDir).filter((name) => name.includes(`-${first.child.pid}-`))).toEqual([]);
      expect(await call(second, 'POST', '/v1/functions/where/invocations', {})).not.toBe(where);
      expect(await other.invoke('where')).toMatchObject({ result: neighbour, receipt: { start: 'code' } });

      second.child.kill('SIGTERM');
      await second.ended;
      expect(await listed()).toEqual([]);
      expect(readdirSync(runDir).filter((name) => name.includes(`-${second.child.pid}-`))).toEqual([]);
      expect(await other.invoke('where')).toMatchObject({ result: neighbour, receipt: { start: 'code' } });
    });
  },
);

await describeContainers('two servers on one engine', ['nodejs24', 'python3', 'provided'], () => {
  it('leave each other’s containers alone, also when they share their owner’s name', async () => {
    const one = await openContainers({}, ENGINE_HOST, ':memory:');
    await one.deploy('where', 'python3', WHERE);
    const where = await one.result<string>('where');
    const two = await openContainers({}, ENGINE_HOST, ':memory:');
    await two.deploy('where', 'python3', WHERE);
    expect(await two.result<string>('where')).not.toBe(where);
    await two.close();
    expect(await one.invoke('where')).toMatchObject({ result: where, receipt: { start: 'code' } });
    await one.close();
  });
});

await describeContainers('an executor that is closed', ['nodejs24', 'python3', 'provided'], () => {
  it('leaves no container, no socket and no descriptor', async () => {
    const round = async (): Promise<void> => {
      const containers = await openContainers({ pristine: 1 });
      await containers.deploy('where', 'python3', WHERE);
      const busy = containers.result('where');
      expect(readdirSync(containers.runDir)).toHaveLength(1);
      await busy;
      await containers.executor.close();
      expect(readdirSync(containers.runDir)).toEqual([]);
      expect(await containers.listed()).toEqual([]);
      await containers.close();
    };
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    await round();
    const before = descriptors();
    await round();
    expect(await eventually(LIMIT_MS, () => descriptors() <= before)).toBe(true);
  });
});
