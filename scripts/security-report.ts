/**
 * `npm run security-report`: runs the hostile corpus, the fuzzing and the chaos, and writes what they found into
 * docs/security-report.json and, generated from it, docs/security-report.md.
 *
 * `--from FOLDER` takes the results of an earlier run with `STRATA_REPORT_DIR=FOLDER` instead of running; `--check`
 * only says whether the page is what the results say, and fails when it is not. A part of which the folder holds no
 * result, as the soak after a run of the others, is kept from the last report.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY_ROOT, readMachine } from '../bench/harness/machine.ts';
import { renderPage } from './security-report/page.ts';
import { PARTS, type Results, type SecurityResult, summaryOf } from './security-report/result.ts';

const RESULT_PATH = join(REPOSITORY_ROOT, 'docs/security-report.json');
const PAGE_PATH = join(REPOSITORY_ROOT, 'docs/security-report.md');
const TESTS = ['test/hostile', 'test/fuzz', 'test/chaos'];

const { values } = parseArgs({ options: { from: { type: 'string' }, check: { type: 'boolean' } } });

const lastResult = (): SecurityResult | null =>
  existsSync(RESULT_PATH) ? (JSON.parse(readFileSync(RESULT_PATH, 'utf8')) as SecurityResult) : null;

const readIn = (folder: string, name: string): unknown => {
  const path = join(folder, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
};

const readResults = (folder: string): Results =>
  Object.fromEntries(PARTS.map((name) => [name, readIn(folder, name)])) as unknown as Results;

const check = (): void => {
  const result = lastResult();
  const page = existsSync(PAGE_PATH) ? readFileSync(PAGE_PATH, 'utf8') : '';
  if (result !== null && renderPage(result) === page) return;
  console.error('docs/security-report.md is not what the results say; run: npm run security-report');
  process.exitCode = 1;
};

const report = (): void => {
  const made = values.from === undefined ? mkdtempSync(join(tmpdir(), 'strata-report-')) : null;
  const folder = values.from ?? made ?? '';
  try {
    if (made !== null) {
      const env = { ...process.env, STRATA_REPORT_DIR: folder, STRATA_CORPUS: 'full', STRATA_CHAOS: 'full' };
      const { status } = spawnSync('npx', ['vitest', 'run', ...TESTS], {
        cwd: REPOSITORY_ROOT,
        env,
        stdio: 'inherit',
      });
      // What did not hold is reported, not hidden: the page is written all the same.
      if (status !== 0) process.exitCode = 1;
    }
    const now = { date: new Date().toISOString().slice(0, 10), machine: readMachine() };
    const result = summaryOf(readResults(folder), now, lastResult());
    writeFileSync(RESULT_PATH, `${JSON.stringify(result, null, 2)}\n`);
    writeFileSync(PAGE_PATH, renderPage(result));
    console.log('written: docs/security-report.json, docs/security-report.md');
  } finally {
    if (made !== null) rmSync(made, { recursive: true, force: true });
  }
};

if (values.check) check();
else report();
