/**
 * Faults of isolate hosts under load.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ISOLATE_FAULTS } from './isolate-faults.ts';
import { ISOLATE_KINDS } from './kinds.ts';
import { undergo } from './ordeal.ts';
import { report } from './report.ts';
import { SEEDS } from './seeds.ts';
import { World } from './world.ts';

describe('under load on isolates', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open({ kinds: ISOLATE_KINDS });
  });
  afterAll(() => world.close());

  for (const fault of ISOLATE_FAULTS) {
    it.each(SEEDS)(`${fault.name}: nothing is lost, and service is back (seed %i)`, async (seed) => {
      const ordeal = await undergo(world, fault, seed);
      report('chaos.json', ordeal);
      expect(ordeal.broken, JSON.stringify(ordeal.tiers)).toEqual([]);
    });
  }
});
