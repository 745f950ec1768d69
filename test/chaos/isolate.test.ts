/**
 * Faults of isolate hosts, of the broker and of what is around a server, under load on isolates.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUpstream, type Upstream } from '../egress/upstream.ts';
import type { Fault } from './fault.ts';
import { ISOLATE_FAULTS } from './isolate-faults.ts';
import { fetchKind, ISOLATE_KINDS } from './kinds.ts';
import { brokerFault, channelFault, clientFault, clockFaults, serverFault } from './machine-faults.ts';
import { ORDEAL_LIMIT_MS, undergo } from './ordeal.ts';
import { report } from './report.ts';
import { SEEDS } from './seeds.ts';
import { noCompiler, Tools } from './tools.ts';
import { World } from './world.ts';

const noTools = noCompiler();
const tools = noTools === null ? new Tools() : null;

const FAULTS: readonly Fault[] = [
  ...ISOLATE_FAULTS,
  brokerFault,
  clientFault,
  ...(tools === null ? [] : [channelFault(tools), ...clockFaults(tools)]),
  serverFault(),
];

describe('under load on isolates', () => {
  let upstream: Upstream;
  let world: World;
  beforeAll(async () => {
    upstream = await startUpstream();
    world = await World.open({
      kinds: [...ISOLATE_KINDS, fetchKind(upstream.port)],
      env: { STRATA_EGRESS_PRIVATE_RANGES: '127.0.0.0/8', ...tools?.clockEnvironment() },
    });
  });
  afterAll(async () => {
    await world?.close();
    await upstream.close();
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

  // These take a compiler; the name says that it is missing.
  it.skipIf(noTools === null)(`channels are cut and clocks jump (skipped: ${noTools})`, () => undefined);
});
