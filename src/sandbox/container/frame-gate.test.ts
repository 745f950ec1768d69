import { expect, it } from 'vitest';
import { type Frame, FrameError } from '../protocol/frames.ts';
import { FrameGate } from './frame-gate.ts';

const frame = (nonce: number): Frame => ({ nonce }) as Frame;

/** An engine that gives its figures when it is told to. */
const setUp = () => {
  const asked: (() => void)[] = [];
  const happened: string[] = [];
  const gate = new FrameGate({
    meter: { refresh: () => new Promise<void>((resolve) => void asked.push(resolve)) },
    take: ({ nonce }) => {
      if (nonce === 666) throw new FrameError('it is the wrong one');
      happened.push(`frame ${nonce}`);
      if (nonce < 10) gate.refreshed(() => happened.push(`answer ${nonce}`));
    },
    violated: (reason) => void happened.push(reason),
  });
  const figures = async (): Promise<void> => {
    asked.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { gate, happened, figures };
};

it('lets no answer overtake the one before it', async () => {
  const { gate, happened, figures } = setUp();
  for (const nonce of [1, 2, 30]) gate.accept(frame(nonce));
  expect(happened).toEqual(['frame 1']);
  await figures();
  expect(happened).toEqual(['frame 1', 'answer 1', 'frame 2']);
  await figures();
  expect(happened.slice(3)).toEqual(['answer 2', 'frame 30']);
});

it('takes nothing behind what no agent says, nor after the end', async () => {
  const { gate, happened, figures } = setUp();
  for (const nonce of [1, 666, 30]) gate.accept(frame(nonce));
  await figures();
  expect(happened.slice(1)).toEqual(['answer 1', 'it is the wrong one']);
  gate.accept(frame(2));
  gate.close();
  gate.accept(frame(30));
  await figures();
  expect(happened.slice(3)).toEqual(['frame 2']);
});
