/**
 * Faults of containers, of what runs in them and of their engine, under load on both tiers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leftOut, missingFor } from '../container/availability.ts';
import { noPrivateEngine } from '../container/private-engine.ts';
import { CONTAINER_FAULTS, ENGINE_FAULTS } from './container-faults.ts';
import { CONTAINER_KINDS, ISOLATE_KINDS } from './kinds.ts';
import { undergo } from './ordeal.ts';
import { report } from './report.ts';
import { SEEDS } from './seeds.ts';
import { World } from './world.ts';

const missing = noPrivateEngine() ?? (await missingFor(['nodejs24', 'python3']));
const name = 'under load on both tiers';
// Engines are restarted here, so that it takes one of the test's own; elsewhere the name says what is missing.
describe.skipIf(leftOut(missing))(missing === null ? name : `${name} (skipped: ${missing})`, () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open({ kinds: [...ISOLATE_KINDS, ...CONTAINER_KINDS], containers: true });
  }, 120_000);
  afterAll(() => world?.close());

  for (const fault of [...CONTAINER_FAULTS, ...ENGINE_FAULTS]) {
    it.each(SEEDS)(`${fault.name}: nothing is lost, and service is back (seed %i)`, async (seed) => {
      const ordeal = await undergo(world, fault, seed);
      report('chaos.json', ordeal);
      expect(ordeal.broken, JSON.stringify(ordeal.tiers)).toEqual([]);
    });
  }
});
