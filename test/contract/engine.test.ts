/**
 * The server's side of an engine that loses answers: no container is left, whichever answer it is and however it is lost.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/ports/manual-clock.ts';
import { processLabel } from '../../src/ports/process-label.ts';
import { systemRandom } from '../../src/ports/random.ts';
import type { Backend, BackendEvents } from '../../src/sandbox/backend.ts';
import { containerBackend } from '../../src/sandbox/container/backend.ts';
import { type ContainerEngine, dockerEngine } from '../../src/sandbox/container/engine.ts';
import { Ownership } from '../../src/sandbox/container/ownership.ts';
import { Removals } from '../../src/sandbox/container/removals.ts';
import { labelsOf } from '../../src/sandbox/container/server-identity.ts';
import { ContainerSweeper } from '../../src/sandbox/container/sweep.ts';
import { UserIds } from '../../src/sandbox/container/user-ids.ts';
import { type Failure, type Operation, ScriptedEngine } from './engine/scripted-engine.ts';

const identity = { owner: 'this installation', boot: 'this start', process: processLabel() };
/** Longer than any request may take, and than anything may be late. */
const LONG_MS = 61_000;
const SWEEP_MS = 5_000;

let scripted: ScriptedEngine;
let runFolder: string;
let clock: ManualClock;
let engine: ContainerEngine;
let sweeper: ContainerSweeper;
let backend: Backend;
/** Requests without an answer for which time went on. */
let waited: number;

beforeEach(async () => {
  scripted = await ScriptedEngine.open();
  runFolder = await mkdtemp(join(tmpdir(), 'strata-lost-'));
  clock = new ManualClock();
  waited = 0;
  engine = dockerEngine(scripted.host, clock);
  const ownership = new Ownership(systemRandom, (fate) => sweeper.owe(fate));
  sweeper = new ContainerSweeper(engine, identity, ownership, clock);
  backend = containerBackend({
    ...{ clock, random: systemRandom, engine, removals: new Removals(engine), ownership, runFolder },
    ...{ users: new UserIds(0), cpuShares: null, onFault: () => undefined },
    confinement: { kind: 'docker', summary: '', gaps: [] },
    template: {
      ...{ runtime: 'python3', imageId: 'sha256:aa', ociRuntime: '', memoryMb: 64, pidsMax: 64, tmpMb: 1 },
      ...{ codeMb: 1, maxFrameBytes: 1e6, appArmor: false, labels: labelsOf(identity, 'python3') },
    },
    ...{ cpusFor: () => 1, kernelChecked: false, metering: 'auto', freezeAfterMs: 0 },
    ...{ resultMaxBytes: 1e6, logMaxBytes: 1e4 },
  });
});
afterEach(async () => {
  await scripted.close();
  await rm(runFolder, { recursive: true, force: true });
});

/** Time goes on when the engine has left a request without an answer, and only then. */
const settled = async <Result>(work: Promise<Result>): Promise<Result | Error> => {
  let over = false;
  const outcome = work.then(
    (result) => result,
    (thrown: unknown) => thrown as Error,
  );
  void outcome.then(() => {
    over = true;
  });
  for (;;) {
    const stuck = await Promise.race([outcome.then(() => waited), scripted.stuck(waited)]);
    if (over) return outcome;
    waited = stuck;
    await clock.advance(30_000);
  }
};

/** A start that fails at the latest when the container turns out not to run. */
const startInVain = async (abandoned = new AbortController().signal): Promise<void> => {
  const started = await settled(backend.provision({} as BackendEvents, abandoned));
  expect(started).toBeInstanceOf(Error);
};

/** Sweeps for as long as something is owed. Answers how often. */
const sweepAll = async (between: (at: number) => void = () => undefined): Promise<number> => {
  for (let at = 1; at <= 60; at += 1) {
    if (!sweeper.owes) return at - 1;
    await clock.advance(SWEEP_MS);
    await settled(sweeper.sweep());
    between(at);
  }
  throw new Error('it is swept forever');
};

const LOST: readonly Failure[] = [
  'not done, connection lost',
  'done, connection lost',
  'not done, refused',
  'done, refused',
  'not done, no answer',
  'done, no answer',
  'done, answer breaks off',
];
const LATE: readonly Failure[] = ['done later, connection lost', 'done later, no answer'];

const cases = (operations: readonly Operation[], failures: readonly Failure[]): [Operation, Failure][] =>
  operations.flatMap((operation) => failures.map((failure): [Operation, Failure] => [operation, failure]));

describe('a container of which the engine does not tell what became', () => {
  it.each(cases(['create', 'start', 'inspect', 'remove'], LOST))(
    'is removed: %s, %s',
    async (what, failure) => {
      scripted.fail(what, failure);
      await startInVain();
      await sweepAll();
      expect([...scripted.containers]).toEqual([]);
      expect(await readdir(runFolder)).toEqual([]);
    },
  );

  it.each(cases(['create', 'remove'], LATE))(
    'is removed when it comes late: %s, %s',
    async (what, failure) => {
      scripted.fail(what, failure);
      await startInVain();
      await sweepAll((at) => {
        if (at === 4) scripted.land();
      });
      expect([...scripted.containers]).toEqual([]);
    },
  );

  it.each(cases(['list', 'remove', 'inspect'], [...LOST, ...LATE]))(
    'is removed though the sweep fails as well: %s, %s',
    async (what, failure) => {
      scripted.fail('create', 'done, connection lost');
      await startInVain();
      scripted.fail(what, failure);
      scripted.fail(what, failure);
      await sweepAll();
      expect([...scripted.containers]).toEqual([]);
    },
  );

  it('is owed until an earlier order to remove it has been carried out', async () => {
    scripted.fail('remove', 'done later, in progress');
    await startInVain();
    expect(sweeper.owes).toBe(true);
    for (let at = 0; at < 5; at += 1) scripted.fail('remove', 'done later, in progress');
    await sweepAll((at) => {
      if (at === 5) scripted.land();
    });
    expect([...scripted.containers]).toEqual([]);
  });

  it('is removed when the start was abandoned before the engine told of it', async () => {
    scripted.fail('create', 'done, no answer');
    const controller = new AbortController();
    const started = startInVain(controller.signal);
    controller.abort();
    await started;
    await sweepAll();
    expect([...scripted.containers]).toEqual([]);
  });

  it('is found at once by a later sweep when it comes long after anybody waits', async () => {
    scripted.fail('create', 'done later, no answer');
    await startInVain();
    await sweepAll();
    scripted.land();
    expect(scripted.containers.size).toBe(1);
    await clock.advance(LONG_MS);
    expect(await settled(sweeper.sweep())).toMatchObject({ removed: 1 });
    expect(sweeper.owes).toBe(true);
    expect(await sweepAll()).toBe(1);
  });

  it('leaves nothing owed when it came up as it should and was removed', async () => {
    await startInVain();
    expect(sweeper.owes).toBe(false);
    expect([...scripted.containers]).toEqual([]);
  });
});

describe('a sweep', () => {
  const labels = (boot: string, container: string, process = identity.process) => ({
    ...labelsOf({ owner: identity.owner, boot, process }, 'python3'),
    'strata.container': container,
  });

  it('leaves alone what is held, however slowly it is made, and what is a living server’s or another owner’s', async () => {
    scripted.fail('create', 'done, no answer');
    const started = backend.provision({} as BackendEvents, new AbortController().signal);
    started.catch(() => undefined);
    await scripted.stuck(0);
    scripted.containers.set('living', labels('another start', 'a'));
    scripted.containers.set('other', { ...labels('this start', 'b'), 'strata.owner': 'another' });
    scripted.containers.set('dead', labels('another start', 'c', '1:1'));
    scripted.containers.set('nobodys', labels('this start', 'd'));
    for (let at = 0; at < 3; at += 1) await sweeper.sweep();
    expect(scripted.containers.size).toBe(3);
    expect(scripted.containers.has('living') && scripted.containers.has('other')).toBe(true);
    await clock.advance(30_000);
    await expect(started).rejects.toThrow(/could not create a container: it took longer than 30000 ms/);
    await sweepAll();
    expect([...scripted.containers.keys()]).toEqual(['living', 'other']);
  });

  it('goes on for a while after an engine was away, which may come back with what it had let go of', async () => {
    scripted.fail('list', 'not done, connection lost');
    await expect(sweeper.sweep()).rejects.toThrow(/could not list containers/);
    const ghost = 'ghost';
    const swept = await sweepAll((at) => {
      if (at === 8) scripted.containers.set(ghost, labels('this start', 'e'));
    });
    expect(scripted.containers.has(ghost)).toBe(false);
    expect(swept).toBeLessThan(16);
  });

  it('of one that stays does not keep the others, and comes again until it is gone', async () => {
    for (const name of ['a', 'b', 'c']) scripted.containers.set(name, labels('this start', name));
    scripted.fail('remove', 'not done, refused');
    expect(await settled(sweeper.sweep())).toMatchObject({
      removed: 2,
      failed: [expect.stringMatching(/went wrong/)],
    });
    expect(scripted.containers.size).toBe(1);
    expect(await sweepAll()).toBe(2);
    expect([...scripted.containers]).toEqual([]);
  });
});

describe('an engine', () => {
  it('is asked on a connection of its own each time, so that none hears from one that is on its way out', async () => {
    const connections = new Set<unknown>();
    scripted.onConnection((socket) => connections.add(socket));
    for (let at = 0; at < 3; at += 1) await engine.list({});
    expect(connections.size).toBe(3);
  });
});
