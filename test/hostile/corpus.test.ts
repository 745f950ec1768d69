/**
 * The hostile corpus against a real server: each attack on every runtime to which it applies, with a neighbour beside it;
 * afterwards the machine has what it had before.
 *
 * Known attacks are made on isolates and one kind of container, every other one of our own on one runtime of theirs;
 * days, runtimes and process models take turns from case to case. `STRATA_CORPUS=full` makes all of them on all, in both models.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CORPUS } from '../../src/attack/corpus/index.ts';
import { Attacker, MODELS, type Variant, type Verdict, variantsOf } from '../../src/attack/run.ts';
import { Target } from '../../src/attack/target.ts';
import { CONTAINER_RUNTIMES, type Runtime } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { ENGINE_HOST, leftOut, missingFor } from '../container/availability.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';
import { leftSince, type Remains, remainsOf, settledSince, type Watched } from './remains.ts';

const KNOWN_ATTACKS = 114;
const OWN_ATTACKS_MIN = 60;
/** Of our own attacks every other one is made, the others the day after. */
const DAY = Math.floor(systemClock.wallMs() / 86_400_000);
const IS_FULL = process.env.STRATA_CORPUS === 'full';

const missing = await missingFor(CONTAINER_RUNTIMES);
const withContainers = !leftOut(missing);
if (!withContainers) console.warn(`attacks in containers are left out: ${missing}`);
const RUNTIMES: readonly Runtime[] = withContainers ? ['isolate', ...CONTAINER_RUNTIMES] : ['isolate'];

/** Pools that are small, so that cases are short and what is left over shows. */
const SETTINGS = {
  ...{ STRATA_ISOLATE_PRISTINE_HOSTS: '1', STRATA_ISOLATE_RUNTIMES_PER_HOST: '2' },
  ...{ STRATA_ISOLATE_SPARE_RUNTIMES: '1', STRATA_ISOLATE_RUNTIME_MEMORY_MB: '32' },
  ...{ STRATA_ISOLATE_KILL_GRACE_MS: '200', STRATA_LIMITS_LOG_MAX_BYTES: '8192' },
  // Attacks that are slow wait for these; nothing else comes near them.
  ...{ STRATA_SERVER_REQUEST_TIMEOUT_MS: '4000', STRATA_SERVER_HEADERS_TIMEOUT_MS: '1000' },
  ...(withContainers ? { STRATA_CONTAINER_MODE: 'required', DOCKER_HOST: ENGINE_HOST } : {}),
};
/** What is no leak after one attack: a host or a container that the attacker's tenant keeps, and the heap's breath. */
const ALLOWANCE = { memoryMb: 96, containers: 4, processes: { broker: 1 }, descriptors: 4 } as const;
/**
 * What is no leak after all of them. The largest deployment is there as text, as an archive and as files for a moment,
 * and what the server once had for that goes back to the machine late or never.
 */
const FINAL_ALLOWANCE = { ...ALLOWANCE, memoryMb: 320 } as const;

let server: ServerProcess | undefined;
let attacker: Attacker;
let watched: Watched;
let first: Remains;
/** What was there before the next attack. */
let last: Remains;
const verdicts: Verdict[] = [];

beforeAll(async () => {
  server = await startServer([], SETTINGS);
  const target = new Target({ url: server.url, fetch });
  const metrics = async (): Promise<string> => (await target.request('GET', '/metrics')).text;
  watched = { pid: server.pid, metrics, engineHost: withContainers ? ENGINE_HOST : null };
  attacker = await Attacker.open({ target, clock: systemClock, runtimes: RUNTIMES });
  first = await remainsOf(watched);
  last = first;
});

afterAll(async () => {
  await attacker?.close();
  await server?.stop();
  const folder = process.env.STRATA_REPORT_DIR;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'corpus.json'), JSON.stringify(verdicts, null, 1));
});

/** Whether it is among those that are run each time. */
const isItsTurn = ({ attackCase: { id, ...attackCase }, runtime, model }: Variant): boolean => {
  if (IS_FULL || !('attacks' in attackCase) || runtime === 'api') return true;
  const all = RUNTIMES.filter((each) => attackCase.attacks[each] !== undefined);
  if (id > KNOWN_ATTACKS && (id % 2 !== DAY % 2 || all[(id >> 1) % all.length] !== runtime)) return false;
  const containers = all.filter((each) => each !== 'isolate');
  if (runtime !== 'isolate' && id <= KNOWN_ATTACKS && containers[id % containers.length] !== runtime)
    return false;
  const models = attackCase.attacks[runtime]?.models ?? MODELS;
  return model === null || models.indexOf(model) === (id + RUNTIMES.indexOf(runtime)) % models.length;
};

const titled = ({ attackCase, runtime, model }: Variant): string =>
  [`${attackCase.id} ${attackCase.name}`, runtime, ...(model === null ? [] : [model])].join(', ');

describe.each([...new Set(CORPUS.map(({ group }) => group))])('%s', (group) => {
  const variants = variantsOf(
    CORPUS.filter((attackCase) => attackCase.group === group),
    RUNTIMES,
  ).filter(isItsTurn);
  it.each(variants.map((variant) => [titled(variant), variant] as const))('%s', async (_title, variant) => {
    const verdict = await attacker.run(variant);
    const { left, now } = await settledSince(watched, last, ALLOWANCE);
    last = now;
    const problems = [...verdict.problems, ...left.map((line) => `left over: ${line}`)];
    verdicts.push({ ...verdict, problems, held: problems.length === 0 });
    expect(problems, verdict.outcomes.join(', ')).toEqual([]);
  });
});

it('has left nothing after all of them', async () => {
  expect(await leftSince(watched, first, FINAL_ALLOWANCE)).toEqual([]);
});

describe('the corpus', () => {
  const ids = CORPUS.map(({ id }) => id);

  it('has each known attack once', () => {
    const known = ids.filter((id) => id <= KNOWN_ATTACKS).sort((a, b) => a - b);
    expect(known).toEqual(Array.from({ length: KNOWN_ATTACKS }, (_, at) => at + 1));
  });

  it('has many of our own, each with a number of its own', () => {
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id > KNOWN_ATTACKS).length).toBeGreaterThanOrEqual(OWN_ATTACKS_MIN);
  });
});
