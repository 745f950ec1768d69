/**
 * A short soak; `npm run soak` makes a long one.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { missingFor } from '../container/availability.ts';
import { noPrivateEngine } from '../container/private-engine.ts';
import { CONTAINER_KINDS, ISOLATE_KINDS } from './kinds.ts';
import { report } from './report.ts';
import { soak } from './soak-run.ts';
import { World } from './world.ts';

const containers = (noPrivateEngine() ?? (await missingFor(['nodejs24', 'python3']))) === null;
const INVOCATIONS = { isolate: 3_000, container: containers ? 300 : 0 };
/** Far longer than on a machine that does nothing else. */
const LIMIT_MS = 300_000;

let world: World;
beforeAll(async () => {
  const kinds = [...ISOLATE_KINDS, ...(containers ? CONTAINER_KINDS : [])];
  world = await World.open({ kinds, containers });
}, LIMIT_MS);
afterAll(() => world?.close(), LIMIT_MS);

it(
  'thousands of invocations leave memory, handles and latency as they were',
  async () => {
    const result = await soak({ world, seed: 1, invocations: INVOCATIONS });
    report('soak.json', result);
    expect(result.broken, JSON.stringify(result.quarters)).toEqual([]);
  },
  LIMIT_MS,
);
