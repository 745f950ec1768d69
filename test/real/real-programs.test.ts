/**
 * Real programs from npm give the same in a sandbox as in plain Node.
 *
 * Each example is bundled here, run once by a plain Node process and once by the executor, and the two results are
 * compared deeply. Inputs are generated from a seed, so every run has the same.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor } from '../../src/index.ts';
import type { Executor } from '../../src/invocation/api.ts';
import { bundle } from './bundle.ts';
import { formulas, markdownDocument, records } from './inputs.ts';

const KIB = 1024;
const TEST_TIMEOUT_MS = 60_000;

interface Program {
  readonly name: string;
  readonly event: Readonly<Record<string, unknown>>;
  /** What the bundle must weigh for the program to count as a real one. */
  readonly minBundleBytes: number;
  /** Facts about the right result, so that two equal but wrong ones do not pass. */
  check(result: Record<string, unknown>): void;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'markdown',
    event: { markdown: markdownDocument(1, 256 * KIB) },
    minBundleBytes: 30 * KIB,
    check({ html }) {
      expect(String(html).length).toBeGreaterThan(256 * KIB);
      expect(html).toContain('<table>');
      expect(html).toContain('<h2>');
    },
  },
  {
    name: 'validate',
    event: { records: records(2, 1_000) },
    minBundleBytes: 100 * KIB,
    check({ valid, invalid }) {
      expect(valid).toBeGreaterThan(500);
      expect(invalid).toHaveLength(1_000 - Number(valid));
      expect(Number(valid)).toBeLessThan(1_000);
    },
  },
  {
    name: 'formulas',
    event: { formulas: formulas(3, 200) },
    minBundleBytes: 400 * KIB,
    check({ html }) {
      expect(html).toHaveLength(200);
      expect(String(html)).toContain('<math');
      expect(String(html)).not.toContain('katex-error');
    },
  },
];

let folder = '';
let executor: Executor;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'strata-real-'));
  executor = await createExecutor({ dataDir: join(folder, 'data'), container: { mode: 'off' } });
}, TEST_TIMEOUT_MS);

afterAll(async () => {
  await executor?.close();
  rmSync(folder, { recursive: true, force: true });
}, TEST_TIMEOUT_MS);

describe('a program bundled from npm', () => {
  it.each(PROGRAMS)(
    '$name gives in an isolate what it gives in plain Node, cold and warm',
    async ({ name, event, minBundleBytes, check }) => {
      const source = await bundle(name);
      expect(Buffer.byteLength(source)).toBeGreaterThan(minBundleBytes);
      const expected = await runInPlainNode(name, source, event);
      check(expected);
      const limits = { memoryMb: 256, timeoutMs: 20_000, cpuMs: 20_000, initTimeoutMs: 20_000 };
      await executor.deploy({
        name,
        runtime: 'isolate',
        handler: 'index.handler',
        code: { source },
        ...limits,
      });

      const cold = await executor.invoke({ function: name, event });
      expect(cold).toMatchObject({ status: 'succeeded' });
      expect(cold.result).toEqual(expected);
      expect(cold.receipt.start).not.toBe('code');
      expect(cold.receipt.usage.cpuMs).toBeGreaterThan(0);

      const warm = await executor.invoke({ function: name, event });
      expect(warm.receipt.start).toBe('code');
      expect(warm.result).toEqual(expected);
    },
    TEST_TIMEOUT_MS,
  );
});

const RUNNER = `
const { handler } = require(process.argv[1]);
const event = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'));
Promise.resolve(handler(event)).then((result) => process.stdout.write(JSON.stringify(result)));`;

const runInPlainNode = async (
  name: string,
  source: string,
  event: unknown,
): Promise<Record<string, unknown>> => {
  const bundlePath = join(folder, `${name}.cjs`);
  const eventPath = join(folder, `${name}.json`);
  writeFileSync(bundlePath, source);
  writeFileSync(eventPath, JSON.stringify(event));
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', RUNNER, bundlePath, eventPath], {
    maxBuffer: 64 * KIB * KIB,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
};
