/**
 * Results for the security report: written as JSON where STRATA_REPORT_DIR says, nowhere unless it is set.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Adds to a list of results; several files of tests write the same one, one after the other. */
export const report = (file: 'chaos.json' | 'soak.json', result: unknown): void => {
  const folder = process.env.STRATA_REPORT_DIR;
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, file);
  let results: unknown[] = [];
  try {
    results = JSON.parse(readFileSync(path, 'utf8')) as unknown[];
  } catch {
    // The first result.
  }
  writeFileSync(path, `${JSON.stringify([...results, result], null, 2)}\n`);
};
