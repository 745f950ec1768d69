/**
 * Runs every bench, one after the other, and writes `bench/results/<question>.json` and the tables of bench/README.md.
 *
 * `--only <question>` runs one. `--quick` proves that all of it runs and writes into a temporary folder instead:
 * its figures must not be committed. `--trace DIR`, or STRATA_TRACE, is a trace in Azure's CSV format for the benches
 * that play one; `--minutes N` is how long `replay` plays it under each policy, `--one-by-one` has it play the policies one
 * after the other. Fails when a figure could not be measured.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asynchronous } from './async.ts';
import { coldStart } from './cold-start.ts';
import { containerDensity } from './container-density.ts';
import { containerStart } from './container-start.ts';
import { density } from './density.ts';
import { ephemeral } from './ephemeral.ts';
import { fairness } from './fairness.ts';
import { endOnSignals } from './harness/children.ts';
import { answer, BENCH_FLAGS, type Bench, optionsFrom, progress } from './harness/command.ts';
import { toMarkdown } from './harness/result.ts';
import { metering } from './metering.ts';
import { overload } from './overload.ts';
import { placement } from './placement.ts';
import { policies } from './policies.ts';
import { registry } from './registry.ts';
import { replay } from './replay.ts';
import { RESULTS_FOLDER, updateTables } from './tables.ts';
import { throughput } from './throughput.ts';

const BENCHES: readonly Bench[] = [
  coldStart,
  throughput,
  metering,
  ephemeral,
  density,
  containerStart,
  containerDensity,
  policies,
  placement,
  registry,
  overload,
  fairness,
  asynchronous,
  replay,
];

const run = async (): Promise<void> => {
  const { values } = parseArgs({
    options: { ...BENCH_FLAGS, only: { type: 'string' } },
  });
  const chosen = BENCHES.filter(({ question }) => values.only === undefined || values.only === question);
  if (chosen.length === 0) {
    throw new Error(
      `no bench ${values.only}; there are ${BENCHES.map(({ question }) => question).join(', ')}`,
    );
  }
  const folder = values.quick ? mkdtempSync(join(tmpdir(), 'strata-quick-results-')) : RESULTS_FOLDER;
  mkdirSync(folder, { recursive: true });
  for (const bench of chosen) {
    const { result, files } = await answer(bench, optionsFrom(values));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const path = join(folder, `${bench.question}.json`);
    writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(`\n## ${bench.question}\n\n${toMarkdown(result)}\n`);
    progress(`written: ${path}`);
    if (result.rows.some(({ reason }) => reason !== null)) process.exitCode = 1;
  }
  if (!values.quick) updateTables({ check: false });
};

endOnSignals();
await run();
