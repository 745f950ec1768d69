import { expect, it } from 'vitest';
import { CHUNK_BYTES, WINDOW_BYTES } from '../../sandbox/protocol/network-frames.ts';
import { AnswerBody } from './answer.ts';

const record = () => {
  const sizes: number[] = [];
  const flows: boolean[] = [];
  const state = { done: 0, text: '' };
  const body = new AnswerBody({
    send: (bytes) => {
      sizes.push(bytes.length);
      state.text += bytes.toString('latin1');
    },
    flow: (going) => flows.push(going),
    done: () => {
      state.done += 1;
    },
  });
  return { body, sizes, flows, state };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);

it('sends what came in one turn as one part', async () => {
  const { body, sizes, state } = record();
  for (const letter of 'a thousand cuts') body.push(Buffer.from(letter));
  await turn();
  expect([sizes, state.text]).toEqual([[15], 'a thousand cuts']);
});

it('never has more under way than the window, and stops the upstream meanwhile', async () => {
  const { body, sizes, flows, state } = record();
  for (let pushed = 0; pushed < 4 * WINDOW_BYTES; pushed += CHUNK_BYTES)
    body.push(Buffer.alloc(CHUNK_BYTES, 'x'));
  body.end();
  await turn();
  expect([sum(sizes), Math.max(...sizes), state.done]).toEqual([WINDOW_BYTES, CHUNK_BYTES, 0]);
  expect(flows).toEqual([false]);
  body.credit(WINDOW_BYTES);
  body.credit(WINDOW_BYTES);
  expect(flows).toEqual([false]);
  body.credit(WINDOW_BYTES);
  await turn();
  expect([sum(sizes), state.done, flows]).toEqual([4 * WINDOW_BYTES, 1, [false, true]]);
});

it('gives no more credit than the window, whatever is claimed', async () => {
  const { body, sizes } = record();
  body.credit(1e9);
  body.push(Buffer.alloc(3 * WINDOW_BYTES));
  await turn();
  expect(sum(sizes)).toBe(WINDOW_BYTES);
});

it('ends once, after the last part', async () => {
  const { body, state } = record();
  body.end();
  await turn();
  body.credit(1);
  expect(state.done).toBe(1);
});

it('sends nothing after it was closed', async () => {
  const { body, sizes, state } = record();
  body.push(Buffer.from('abc'));
  body.close();
  body.push(Buffer.from('def'));
  body.end();
  await turn();
  expect([sizes, state.done]).toEqual([[], 0]);
});

it('keeps of small pieces no more than their bytes', () => {
  const { body } = record();
  const before = process.memoryUsage();
  for (let piece = 0; piece < WINDOW_BYTES; piece += 1) body.push(Buffer.from('x'));
  const after = process.memoryUsage();
  // A buffer for each would be more than ten million bytes; the collector may run, and then it is less than nothing.
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 * WINDOW_BYTES);
});

it('keeps the order of large and small pieces', async () => {
  const { body, state } = record();
  const parts = ['a', 'b'.repeat(9_000), 'c', 'd'.repeat(5_000), 'e'.repeat(5_000), 'f'.repeat(8_192), 'g'];
  for (const part of parts) body.push(Buffer.from(part));
  body.end();
  await turn();
  expect([state.text, state.done]).toEqual([parts.join(''), 1]);
});
