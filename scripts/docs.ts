/**
 * Writes docs/config.md, docs/errors.md and docs/lambda.md from the schema, the catalogue and the table of operations; with `--check` it only compares, and
 * fails when a file differs.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderLambdaDocs } from '../src/api/lambda/docs.ts';
import { renderConfigDocs, renderErrorDocs } from '../src/config/docs.ts';

const docs = join(import.meta.dirname, '..', 'docs');
const check = process.argv.includes('--check');
const pages = {
  'config.md': renderConfigDocs(),
  'errors.md': renderErrorDocs(),
  'lambda.md': renderLambdaDocs(),
};

const present = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

if (!check) mkdirSync(docs, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const path = join(docs, name);
  if (present(path) === text) continue;
  if (check) {
    console.error(`docs/${name} is not what the source says; run: node scripts/docs.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    console.log(`wrote docs/${name}`);
  }
}
