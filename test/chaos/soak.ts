/**
 * `npm run soak -- --isolate 1000000 --container 20000 [--seed 1]`: a server under load for as long as that takes, and
 * whether memory, handles and latency are flat. Exits with 1 when something grew or an answer was wrong.
 *
 * Containers run on an engine of its own, which takes root and the images of these sources.
 */
import { parseArgs } from 'node:util';
import { CONTAINER_KINDS, ISOLATE_KINDS } from './kinds.ts';
import { report } from './report.ts';
import { soak } from './soak-run.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    isolate: { type: 'string', default: '1000000' },
    container: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
});
const [isolate, container, seed] = [values.isolate, values.container, values.seed].map(Number) as [
  number,
  number,
  number,
];
if (![isolate, container, seed].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  console.error('--isolate, --container and --seed are whole numbers');
  process.exit(2);
}
const containers = container > 0;
/** Mostly calls of warm functions, as a server has them: what makes a sandbox for each call would take most of the time. */
const WARM_FACTOR = 8;
const kinds = ISOLATE_KINDS.map((kind) =>
  kind.spec.processModel === 'ephemeral' ? kind : { ...kind, weight: kind.weight * WARM_FACTOR },
);
const world = await World.open({
  kinds: [...kinds, ...(containers ? CONTAINER_KINDS : [])],
  containers,
});
try {
  const result = await soak({ world, seed, invocations: { isolate, container }, onProgress: console.log });
  report('soak.json', result);
  for (const line of result.broken) console.error(line);
  console.log(result.broken.length === 0 ? 'flat' : `${result.broken.length} findings`);
  process.exitCode = result.broken.length === 0 ? 0 : 1;
} finally {
  await world.close();
}
