import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from './http-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'strata-cli-'));
  server = await startServer();
}, 60_000);

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
}, 60_000);

const strata = (...args: string[]) => runStrata(['--url', server.url, ...args]);

describe('the CLI against a server', () => {
  it('deploys a file, invokes it, shows its logs, lists and deletes it', async () => {
    const file = path.join(folder, 'greet.js');
    const source =
      'exports.handler = (event) => { console.warn("greeting"); return { hi: event.name ?? process.env.WHO }; }';
    await writeFile(file, source);
    const created = await strata(
      'deploy',
      file,
      '--memory-mb',
      '64',
      '--env',
      'WHO=env',
      '--label',
      'team=a',
    );
    expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(/^created greet /) });
    expect((await strata('deploy', file)).stdout).toMatch(/^updated greet /);

    const invoked = await strata('invoke', 'greet', '-d', '{"name":"Ada"}', '-v');
    expect(invoked).toMatchObject({ code: 0, stdout: '{"hi":"Ada"}\n' });
    expect(invoked.stderr).toMatch(/start +(none|container|runtime|code)\n.*handler.*\n.*CU-seconds/s);
    const piped = await runStrata(['--url', server.url, 'invoke', 'greet', '-'], '{"name":"pipe"}');
    expect(piped.stdout).toBe('{"hi":"pipe"}\n');

    expect((await strata('logs', 'greet', '-n', '1')).stdout).toMatch(/^\d{4}-\S+Z warn {2}greeting\n$/);
    expect((await strata('list')).stdout).toMatch(/^NAME .*\ngreet +isolate/);
    expect(await strata('delete', 'greet')).toMatchObject({ code: 0, stdout: 'deleted greet\n' });
    expect(await strata('invoke', 'greet')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^not_found: .*greet/),
    });
  }, 60_000);

  it('deploys a folder of modules under a name of its own', async () => {
    const shop = path.join(folder, 'shop');
    await mkdir(path.join(shop, 'lib'), { recursive: true });
    await writeFile(
      path.join(shop, 'index.mjs'),
      'import { price } from "./lib/price.mjs"; export const sell = () => price;',
    );
    await writeFile(path.join(shop, 'lib', 'price.mjs'), 'export const price = 42;');
    const deployed = await strata('deploy', shop, '--name', 'store', '--handler', 'index.sell');
    expect(deployed.stdout).toMatch(/^created store /);
    expect((await strata('invoke', 'store')).stdout).toBe('42\n');
    expect((await strata('invoke', 'store', '--dry-run')).stdout).toMatch(/^\{"status":"ok"/);
  }, 60_000);

  it('prints what a function threw, and exits 1', async () => {
    const file = path.join(folder, 'broken.js');
    await writeFile(file, 'exports.handler = () => { throw new RangeError("too far"); }');
    await strata('deploy', file);
    const { code, stderr } = await strata('invoke', 'broken');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^function_error: .*\nRangeError: too far\n/);
  }, 60_000);

  it('keeps tenants apart', async () => {
    const file = path.join(folder, 'mine.js');
    await writeFile(file, 'exports.handler = () => 1');
    await strata('--tenant', 'acme', 'deploy', file);
    expect((await strata('--tenant', 'acme', 'invoke', 'mine')).stdout).toBe('1\n');
    expect((await strata('invoke', 'mine')).stderr).toMatch(/^not_found: /);
  }, 60_000);

  it('shows the pools', async () => {
    expect((await strata('pools')).stdout).toMatch(/^isolate \(.*free.*\nready: \d+ container/m);
    expect(JSON.parse((await strata('pools', '--json')).stdout)).toHaveProperty('tiers.isolate.slots.total');
  }, 60_000);

  it('examines the machine, and names a remedy for what is missing', async () => {
    const { code, stdout } = await strata('doctor', '--json');
    expect(code).toBe(0);
    const findings: { name: string; ok: boolean; remedy: string | null }[] = JSON.parse(stdout);
    expect(findings.length).toBeGreaterThanOrEqual(4);
    for (const finding of findings) if (!finding.ok) expect(finding).toHaveProperty('remedy');
    expect((await strata('doctor')).stdout).toMatch(/^(ok|missing|optional) /);
  }, 60_000);

  it('attacks the server, says what held, and leaves nothing of its own there', async () => {
    const { code, stdout, stderr } = await strata('doctor', '--attack', '--groups', 'protocol,upload');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^held +protocol +(\d+) of \1\nheld +upload +(\d+) of \2\nThe neighbour: \d+ calls/m,
    );
    for (const tenant of ['strata-attacker', 'strata-neighbour']) {
      const listed = await call(server, 'GET', '/v1/functions', { headers: { 'Strata-Tenant': tenant } });
      expect(listed.json).toMatchObject({ functions: [] });
    }
  }, 60_000);

  it('says of images that no engine answers, and exits 1', async () => {
    for (const command of ['build', 'list', 'prune']) {
      const args = ['images', command, '--engine-host', 'unix:///nonexistent/docker.sock'];
      const { code, stderr, stdout } = await runStrata(args);
      expect(code).toBe(1);
      // Which images are needed is known without an engine.
      expect(stdout).toMatch(command === 'list' ? /^python3 +strata-python3:[0-9a-f]{16} +unknown/m : /^$/);
      expect(stderr).toMatch(/^runtime_unavailable: No Docker engine answers at unix:\/\/\/nonexistent/m);
    }
    expect((await runStrata(['images', 'list', '--engine-host', 'docker.sock'])).stderr).toMatch(
      /^invalid_request: "docker.sock" names no Docker engine/,
    );
    expect((await runStrata(['images', 'build', 'ruby'])).code).toBe(2);
  }, 60_000);

  it('says that nobody answers, and exits 1', async () => {
    const { code, stderr } = await runStrata(['--url', 'http://127.0.0.1:9', 'list']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unreachable: .*strata serve/);
  }, 60_000);
});
