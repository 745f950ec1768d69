/**
 * A function cannot make its own host break the protocol: whatever it puts out is bounded before it is framed.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bench, openBench } from './bench.ts';

let bench: Bench;

/** Small sizes for code and events leave little room in a frame beyond what results and logs may fill. */
beforeAll(async () => {
  bench = await openBench({
    limits: { codeMaxBytes: 2_000, eventMaxBytes: 1_000, resultMaxBytes: 1_000_000, logMaxBytes: 65_536 },
  });
});

afterAll(() => bench.executor.close());

it.each([
  ['a result of wide characters', 'return "漢".repeat(999_000);', ['result_too_large']],
  [
    'a result of characters that JSON escapes',
    'return "\\u0001".repeat(166_000);',
    [undefined, 'result_too_large'],
  ],
  ['a log of empty lines', 'for (let i = 0; i < 70_000; i += 1) console.log(""); return 1;', [undefined]],
  ['a log of control characters', 'console.log("\\u0001".repeat(65_000)); return 1;', [undefined]],
  ['a log of wide characters', 'console.log("漢".repeat(65_000)); return "漢".repeat(300_000);', [undefined]],
  [
    'an error of control characters',
    'const e = new Error("\\u0001".repeat(9_000)); e.name = e.message; e.stack = e.message; console.log("\\u0001".repeat(65_000)); throw e;',
    ['function_error'],
  ],
] as const)('with %s', async (_what, body, codes) => {
  await bench.deploy('wide', `exports.handler = () => { ${body} };`);
  const { receipt } = await bench.invoke('wide');
  expect(codes).toContain(receipt.error?.code);
  expect(bench.pool().slots.draining).toBe(0);
});
