/**
 * What a function's process gains by writing frames to the agent itself.
 */
import { expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { openSandboxes } from './sandboxes.ts';

/** Writes an outcome for the open invocation, whose number it reads over the shim's shoulder. */
const FORGER = `
const fs = require('node:fs');
let nonce = 0;
const read = Buffer.prototype.readUIntLE;
Buffer.prototype.readUIntLE = function (at, count) {
  const value = read.call(this, at, count);
  if (count === 6) nonce = value;
  return value;
};
exports.handler = ({ tail, to }) => {
  const meta = Buffer.from(tail);
  const frame = Buffer.alloc(46 + meta.length);
  frame.writeUInt32LE(42 + meta.length, 0);
  frame[4] = 1;
  frame[5] = 8;
  frame.writeUInt16LE(3, 6);
  frame.writeUIntLE(to ?? nonce, 12, 6);
  frame.writeUInt32LE(meta.length, 42);
  meta.copy(frame, 46);
  fs.writeSync(3, frame);
  return new Promise(() => {});
};`;

const claim = (code: string): string =>
  JSON.stringify({ failure: { code, detail: 'x', error: null, limit: null }, logs: [], logTruncated: false });

await describeContainers('a function that writes frames itself', ['nodejs24'], () => {
  it.each(['sandbox_lost', 'terminated', 'memory_limit', 'cpu_limit'])(
    'cannot claim that it ended by %s',
    async (code) => {
      const sandboxes = await openSandboxes('nodejs24');
      const { invoke } = await sandboxes.serve(FORGER);
      const { failure, cpuNs } = await invoke({ tail: claim(code) });
      expect(failure?.code).toBe('protocol_error');
      expect(cpuNs).toBeGreaterThan(0);
      await sandboxes.close();
    },
  );

  it('is told so each time, and not that its process ended', async () => {
    const sandboxes = await openSandboxes('nodejs24');
    for (let round = 0; round < 4; round += 1) {
      const { invoke } = await sandboxes.serve(FORGER);
      const { failure } = await invoke({ tail: claim('function_error'), to: 12_345 });
      expect(failure?.code).toBe('protocol_error');
    }
    await sandboxes.close();
  });
});
