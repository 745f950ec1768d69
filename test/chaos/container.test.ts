/**
 * Faults of containers, of what runs in them and of their engine, under load on both tiers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leftOut, missingFor } from '../container/availability.ts';
import { noPrivateEngine } from '../container/private-engine.ts';
import { ALL_ANEW_MS, agentsOf, CONTAINER_FAULTS, ENGINE_FAULTS } from './container-faults.ts';
import type { Fault } from './fault.ts';
import { CONTAINER_KINDS, ISOLATE_KINDS } from './kinds.ts';
import { agentFault, serverFault } from './machine-faults.ts';
import { ORDEAL_LIMIT_MS, undergo } from './ordeal.ts';
import { report } from './report.ts';
import { SEEDS } from './seeds.ts';
import { noCompiler, Tools } from './tools.ts';
import { World } from './world.ts';

const DAY_MS = 86_400_000;
const TODAY = Math.floor(Date.now() / DAY_MS);

const noTools = noCompiler();
const tools = noTools === null ? new Tools() : null;
const FAULTS: readonly Fault[] = [
  ...CONTAINER_FAULTS,
  ...(tools === null ? [] : [agentFault(tools, agentsOf)]),
  serverFault(ALL_ANEW_MS),
  // Each takes half a minute, so that days take turns with them.
  ...ENGINE_FAULTS.filter(
    (_, at) => process.env.STRATA_CHAOS === 'full' || at === TODAY % ENGINE_FAULTS.length,
  ),
];

const missing = noPrivateEngine() ?? (await missingFor(['nodejs24', 'python3']));
const name = 'under load on both tiers';
// Engines are restarted here, so that it takes one of the test's own; elsewhere the name says what is missing.
describe.skipIf(leftOut(missing))(missing === null ? name : `${name} (skipped: ${missing})`, () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open({ kinds: [...ISOLATE_KINDS, ...CONTAINER_KINDS], containers: true });
  }, 120_000);
  afterAll(async () => {
    await world?.close();
    tools?.remove();
  });

  for (const fault of FAULTS) {
    it.each(SEEDS)(
      `${fault.name}: nothing is lost, and service is back (seed %i)`,
      async (seed) => {
        const ordeal = await undergo(world, fault, seed);
        report('chaos.json', ordeal);
        expect(ordeal.broken, JSON.stringify(ordeal.tiers)).toEqual([]);
      },
      ORDEAL_LIMIT_MS,
    );
  }

  // It takes a compiler; the name says that it is missing.
  it.skipIf(noTools === null)(`connections of agents are cut (skipped: ${noTools})`, () => undefined);
});
