/**
 * The example that embeds the library runs as its reader would run it.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const TIMEOUT_MS = 30_000;

it(
  'examples/embed.ts prints the result of its function and ends by itself',
  async () => {
    const path = fileURLToPath(new URL('../../examples/embed.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [path], { timeout: TIMEOUT_MS });
    const line = stdout.trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(line)).toMatchObject({ status: 'succeeded', result: { hello: 'Ada' } });
  },
  TIMEOUT_MS,
);
