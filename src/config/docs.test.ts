import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../core/errors.ts';
import { renderConfigDocs, renderErrorDocs } from './docs.ts';
import { CONFIG_KEYS } from './schema.ts';

const committed = (name: string): string =>
  readFileSync(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');

it('docs/config.md is what the schema says (else run: node scripts/docs.ts)', () => {
  expect(committed('config.md')).toBe(renderConfigDocs());
});

it('docs/errors.md is what the catalogue says (else run: node scripts/docs.ts)', () => {
  expect(committed('errors.md')).toBe(renderErrorDocs());
});

it('the documents name every key, every variable and every code', () => {
  for (const key of CONFIG_KEYS) expect(renderConfigDocs()).toContain(`| \`${key.path}\` | \`${key.env}\` |`);
  for (const code of Object.keys(ERROR_CATALOGUE)) expect(renderErrorDocs()).toContain(`| \`${code}\` |`);
});
