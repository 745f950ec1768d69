/**
 * A short soak; `npm run soak` makes a long one.
 */
import { expect, it } from 'vitest';
import { missingFor } from '../container/availability.ts';
import { noPrivateEngine } from '../container/private-engine.ts';
import { CONTAINER_KINDS, ISOLATE_KINDS } from './kinds.ts';
import { report } from './report.ts';
import { soak } from './soak-run.ts';
import { World } from './world.ts';

const containers = (noPrivateEngine() ?? (await missingFor(['nodejs24', 'python3']))) === null;

it('thousands of invocations leave memory, handles and latency as they were', async () => {
  const kinds = [...ISOLATE_KINDS, ...(containers ? CONTAINER_KINDS : [])];
  const world = await World.open({ kinds, containers });
  try {
    const result = await soak({
      world,
      seed: 1,
      invocations: { isolate: 8_000, container: containers ? 800 : 0 },
    });
    report('soak.json', result);
    expect(result.broken, JSON.stringify(result.quarters)).toEqual([]);
  } finally {
    await world.close();
  }
});
