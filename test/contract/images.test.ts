/**
 * The images of the container tier, built by a real engine and looked into.
 */
import { posix } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { systemCommands } from '../../src/ports/commands.ts';
import { dockerodeOptions } from '../../src/sandbox/container/docker-host.ts';
import { type BuildPlan, type BuiltImage, buildImages } from '../../src/sandbox/container/images/build.ts';
import { connectEngineImages } from '../../src/sandbox/container/images/engine-images.ts';
import { pinnedNode } from '../../src/sandbox/container/images/sources.ts';
import { expectedImage, imageStates } from '../../src/sandbox/container/images/state.ts';
import { ENGINE_HOST, leftOut, missingFor } from '../container/availability.ts';
import { importBases } from './images/bases.ts';
import { filesInside, runInside } from './images/inside.ts';

const missing = await missingFor([]);
const reason = missing === null ? '' : ` (skipped: ${missing})`;
const docker = new Docker(dockerodeOptions(ENGINE_HOST));
const engine = connectEngineImages(ENGINE_HOST, systemClock);
const prefix = `strata-images-test-${process.pid}-`;

/** Images that lost their name to a new one. */
const replaced: string[] = [];
const tools = { engine, commands: systemCommands, clock: systemClock, say: () => undefined };
const plan: BuildPlan = {
  ...{ runtimes: CONTAINER_RUNTIMES, from: 'machine', force: false, bases: {}, prefix },
};

const SHELLS = /^(?:a|ba|da|z|fi|k|tc|c)?sh$|^busybox$|^toybox$/;
const IMPORTS =
  'import asyncio, bz2, csv, ctypes, hashlib, json, lzma, sqlite3, ssl, subprocess, zipfile, zoneinfo';
/** What the compiled parts of packages are commonly linked with. */
const LIBRARIES =
  '[ctypes.CDLL(f"lib{name}") for name in ("pthread.so.0", "dl.so.2", "rt.so.1", "util.so.1", "stdc++.so.6", "gcc_s.so.1")]';

/** What holds for an image whichever way it was built. */
const holds = (nameOf: (runtime: ContainerRuntime) => string): void => {
  it('runs the Node that belongs to this package', async () => {
    const script = 'console.log(process.version, require("os").userInfo().username)';
    const ran = await runInside(docker, nameOf('nodejs24'), ['/usr/local/bin/node', '-e', script]);
    expect(ran).toEqual({ exitCode: 0, output: `v${pinnedNode().version} function\n` });
  }, 60_000);

  it('runs Python with its standard library, compiled beforehand', async () => {
    const script = [
      `${IMPORTS}, locale, os, pwd`,
      LIBRARIES,
      'locale.setlocale(locale.LC_ALL, "")',
      'assert os.path.exists(json.__cached__) and not os.path.exists(os.path.expanduser("~/.cache"))',
      'assert sqlite3.connect(":memory:").execute("select 40 + 2").fetchone() == (42,)',
      'assert str(zoneinfo.ZoneInfo("Asia/Kathmandu")) == "Asia/Kathmandu"',
      'assert hashlib.sha3_256(b"").digest() and ctypes.CDLL(None).getpid() == 1 and ssl.create_default_context()',
      'print(pwd.getpwuid(os.getuid()).pw_name)',
    ].join('\n');
    const ran = await runInside(docker, nameOf('python3'), [
      '/usr/bin/python3',
      '-I',
      '-X',
      'utf8',
      '-c',
      script,
    ]);
    expect(ran).toEqual({ exitCode: 0, output: 'function\n' });
  }, 60_000);

  it('has in provided what a bootstrap that is a script expects', async () => {
    const script = [
      'set -e; whoami; perl -e "use strict; print qq(perl\\n)"',
      'python3 -c "import json, ssl; print(1)"; curl --version > /tmp/v; head -c 4 /tmp/v; echo',
      'echo "a b" | awk "{print \\$2}" | sed s/b/c/ | grep c; test -s /etc/ssl/certs/ca-certificates.crt',
      'test -z "$(find / -xdev -perm /6000)"; echo end',
    ].join('\n');
    const ran = await runInside(docker, nameOf('provided'), ['/bin/sh', '-c', script]);
    expect(ran).toEqual({ exitCode: 0, output: 'function\nperl\n1\ncurl\nc\nend\n' });
  }, 60_000);

  it('has no set-user-id file, no device, no shell where none is needed, and the folders to mount on', async () => {
    for (const runtime of CONTAINER_RUNTIMES) {
      const files = await filesInside(docker, nameOf(runtime));
      const names = files.map(({ name }) => name.replace(/\/$/, ''));
      expect(names).toEqual(expect.arrayContaining(['code', 'tmp', 'run/strata', 'opt/strata/agent']));
      for (const { name, type, mode = 0, uid, gid } of files) {
        // The engine's own entries below /dev are of the container, not of the image.
        if (name.startsWith('dev/')) continue;
        expect({ name, bits: mode & 0o6000, uid, gid }).toEqual({ name, bits: 0, uid: 0, gid: 0 });
        expect(['file', 'link', 'symlink', 'directory'], name).toContain(type);
      }
      if (runtime === 'provided') continue;
      expect(names.filter((name) => SHELLS.test(posix.basename(name)))).toEqual([]);
    }
  }, 120_000);
};

// Without an engine there is nothing to build with; the title says so.
describe.skipIf(leftOut(missing))(`images built from this machine${reason}`, () => {
  let built: readonly BuiltImage[] = [];
  const nameOf = (runtime: ContainerRuntime): string =>
    built.find((image) => image.runtime === runtime)?.name ?? 'none';

  beforeAll(async () => {
    built = await buildImages(plan, tools);
  }, 300_000);

  holds(nameOf);

  it('are the same to the byte when they are built again', async () => {
    for (const { name } of built) replaced.push((await engine.inspect(name))?.id ?? name);
    const again = await buildImages({ ...plan, force: true }, tools);
    expect(again.map(({ name, layers }) => ({ name, layers }))).toEqual(
      built.map(({ name, layers }) => ({ name, layers })),
    );
    expect(built.map(({ layers }) => layers.length)).toEqual([1, 1, 1]);
  }, 300_000);

  it('have the names that containers are made from', async () => {
    for (const { runtime, name } of built) expect(name).toBe(await expectedImage(runtime, { prefix }));
  }, 60_000);

  it('are left alone when they are there', async () => {
    const again = await buildImages(plan, tools);
    expect(again.map(({ from }) => from)).toEqual([null, null, null]);
  }, 60_000);

  it('say in labels and in the list what they are built from', async () => {
    const image = await engine.inspect(nameOf('python3'));
    expect(image?.labels).toMatchObject({ app: 'strata', 'strata.runtime': 'python3' });
    expect(image?.labels['strata.packages']).toMatch(/(^|,)libc6=/);
    await docker.getImage(nameOf('nodejs24')).tag({ repo: `${prefix}nodejs24`, tag: '0123456789abcdef' });
    const states = await imageStates(engine, { prefix });
    expect(states.map(({ present, builtFrom }) => [present, builtFrom])).toEqual(
      CONTAINER_RUNTIMES.map(() => [true, 'machine']),
    );
    expect(states[0]?.outdated.map(({ name }) => name)).toEqual([`${prefix}nodejs24:0123456789abcdef`]);
    expect(states[0]?.language).toBe(`Node ${pinnedNode().version}`);
  }, 60_000);
});

// The same: without an engine there is nothing that reads a Dockerfile.
describe.skipIf(leftOut(missing))(`images built by their Dockerfiles${reason}`, () => {
  const ours = { ...plan, prefix: `${prefix}file-` };
  let built: readonly BuiltImage[] = [];
  let bases: Readonly<Record<string, string>> = {};
  const nameOf = (runtime: ContainerRuntime): string =>
    built.find((image) => image.runtime === runtime)?.name ?? 'none';

  beforeAll(async () => {
    bases = await importBases(engine, `${prefix}base`);
    built = await buildImages({ ...ours, from: 'auto', bases }, tools);
  }, 600_000);

  holds(nameOf);

  it('are chosen where the base images are there, and say which these are', async () => {
    expect(built.map(({ from }) => from)).toEqual(['registry', 'registry', 'registry']);
    const image = await engine.inspect(nameOf('nodejs24'));
    expect(image?.labels).toMatchObject({
      'strata.built-from': 'registry',
      'strata.language': `Node ${process.versions.node}`,
      'strata.packages': `${bases.NODE_BASE},${bases.GCC_BASE}`,
    });
  }, 60_000);
});

// The same: what is refused is refused by an engine.
describe.skipIf(leftOut(missing))(`what cannot be built${reason}`, () => {
  it('is refused when its base is not to be had and nothing else may be used', async () => {
    const bases = { NODE_BASE: '127.0.0.1:9/nobody/nothing:1' };
    const wanted: BuildPlan = {
      ...plan,
      prefix: `${prefix}none-`,
      runtimes: ['nodejs24'],
      from: 'registry',
      bases,
    };
    await expect(buildImages(wanted, tools)).rejects.toMatchObject({ code: 'runtime_unavailable' });
  }, 60_000);

  it('is refused when a base is named that no Dockerfile has', async () => {
    const wanted: BuildPlan = { ...plan, runtimes: ['provided'], bases: { NODE_BASE: 'node:24' } };
    await expect(buildImages(wanted, tools)).rejects.toMatchObject({ code: 'invalid_request' });
  }, 60_000);

  it('is refused where no engine answers', async () => {
    const nobody = connectEngineImages('unix:///nonexistent/docker.sock', systemClock);
    const refusal = buildImages(plan, { ...tools, engine: nobody });
    await expect(refusal).rejects.toThrow(/No Docker engine answers at unix:\/\/\/nonexistent\/docker.sock/);
  }, 60_000);
});

afterAll(async () => {
  if (missing !== null) return;
  const images = await docker.listImages();
  const own = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((name) => name.startsWith(prefix));
  for (const name of [...own, ...replaced]) await docker.getImage(name).remove({ force: true });
  // The stages of the Dockerfiles stay with the engine as a cache, without a name.
  const stages = { label: ['strata.stage=build'], dangling: ['true'] };
  for (const { Id } of await docker.listImages({ filters: JSON.stringify(stages) })) {
    await docker
      .getImage(Id)
      .remove()
      .catch(() => undefined);
  }
}, 120_000);
