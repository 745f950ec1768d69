/**
 * `npm run fuzz -- --minutes N`: the fuzz tests again and again, each time with another seed and many more runs.
 *
 * Ends with the first finding, whose words say how to play it again, or when the time is up. `--seed` is the first
 * seed, `--runs` how many times the usual runs are made with each, `--only` a file's name.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
  },
});

const ROOT = join(import.meta.dirname, '../..');
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
/** A round has so long for each test; what hangs is a finding. */
const TEST_TIMEOUT_MS = 600_000;

const untilMs = Date.now() + Number(values.minutes) * 60_000;
for (let seed = Number(values.seed); ; seed += 1) {
  process.stdout.write(`seed ${seed}\n`);
  const { status } = spawnSync(
    process.execPath,
    [VITEST, 'run', '--reporter=dot', `--testTimeout=${TEST_TIMEOUT_MS}`, `test/fuzz/${values.only}`],
    {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, STRATA_FUZZ_SEED: String(seed), STRATA_FUZZ_RUNS: values.runs },
    },
  );
  if (status !== 0) process.exit(1);
  if (Date.now() >= untilMs) break;
}
