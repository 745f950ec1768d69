/**
 * A server whose data folder is on a disk of a few megabytes, which is filled under load.
 */
import { describe, expect, it } from 'vitest';
import { ISOLATE_KINDS } from './kinds.ts';
import { diskFault, SMALL_DISK } from './machine-faults.ts';
import { ORDEAL_LIMIT_MS, undergo } from './ordeal.ts';
import { report } from './report.ts';
import { SEEDS } from './seeds.ts';
import { World } from './world.ts';

const missing = process.getuid?.() === 0 ? null : 'only root can mount a disk';
const name = 'under load on a small disk';
// The disk is a mount of the server's own; whoever is not root sees in the name what it takes.
describe.skipIf(missing !== null)(missing === null ? name : `${name} (skipped: ${missing})`, () => {
  it.each(SEEDS)(
    `${diskFault.name}: changes are refused, and service goes on (seed %i)`,
    async (seed) => {
      const world = await World.open({ kinds: ISOLATE_KINDS, through: SMALL_DISK });
      try {
        const ordeal = await undergo(world, diskFault, seed);
        report('chaos.json', ordeal);
        expect(ordeal.broken, JSON.stringify(ordeal.tiers)).toEqual([]);
      } finally {
        await world.close();
      }
    },
    ORDEAL_LIMIT_MS,
  );
});
