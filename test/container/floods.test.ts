/**
 * Functions that write without end: an answer all the same, and a log that is cut off.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { type ContainerBench, openContainerBench } from './bench.ts';

let bench: ContainerBench;

const node = (body: string): string =>
  `const fs = require('node:fs'); exports.handler = async (event) => { ${body} };`;
const python = (body: string): string =>
  `import os, sys\ndef handler(event, context):\n${body.replaceAll(/^/gm, '  ')}\n`;

await describeContainers('a function in a container that writes without end', ['nodejs24', 'python3'], () => {
  beforeAll(async () => {
    bench = await openContainerBench({ limits: { logMaxBytes: 10_000 } });
  });
  afterAll(() => bench.close());

  it.each<[string, 'nodejs24' | 'python3', string]>([
    [
      'lines to the console',
      'nodejs24',
      node('for (let i = 0; i < 200000; i++) console.log("line", i); return "told";'),
    ],
    ['one line', 'nodejs24', node('process.stdout.write("x".repeat(50e6)); return "told";')],
    [
      'to the descriptors',
      'nodejs24',
      node('for (let i = 0; i < 500; i++) fs.writeSync(2, "y".repeat(65536)); return "told";'),
    ],
    ['lines', 'python3', python('for i in range(200000): print("line", i)\nreturn "told"')],
    [
      'bytes that are no text',
      'python3',
      python('for i in range(500): os.write(1, bytes(range(256)) * 256)\nreturn "told"'),
    ],
    [
      'by a child',
      'python3',
      python(
        'import subprocess\nsubprocess.run([sys.executable, "-c", "print(\'z\' * 50000000)"], check=True)\nreturn "told"',
      ),
    ],
  ])('%s (%s) answers, with its log cut off', async (_what, runtime, source) => {
    await bench.deploy('loud', runtime, source, { memoryMb: 512 });
    const { result, receipt } = await bench.invoke('loud');
    expect(result).toBe('told');
    expect(receipt.logTruncated).toBe(true);
    const lines = bench.logs(receipt.invocationId);
    expect(Buffer.byteLength(lines.join(''))).toBeLessThan(30_000);
    // Its budget is that of an invocation, so that the next one is heard again.
    expect((await bench.invoke('loud')).receipt.logTruncated).toBe(true);
  });
});
