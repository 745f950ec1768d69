/**
 * The version of this package, read once from its package.json.
 */
import { readFileSync } from 'node:fs';

const read = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const version = (manifest as { version?: unknown }).version;
  return typeof version === 'string' ? version : '0.0.0';
};

export const STRATA_VERSION = read();
