/**
 * The whole agent, built with the sanitizers, as process 1 of a real container, against code processes that lie.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FRAME, type Frame } from '../../src/sandbox/protocol/frames.ts';
import { leftOut } from '../container/availability.ts';
import { buildImage, Container, missing } from '../contract/agent/container.ts';
import { type Dice, fuzz, mutate } from './mutator.ts';
import { forgedFrame, honestAnswer } from './puppets.ts';

const SANITIZERS = '-fsanitize=address,undefined -fno-sanitize-recover=all';
const MAKING = [`CFLAGS=-std=c17 -O1 -g -D_GNU_SOURCE ${SANITIZERS}`, `LDFLAGS=${SANITIZERS}`];
const LOAD_PAYLOAD = Buffer.from(`${'ab'.repeat(32)}\0`);

/** What the code process says to an invocation, written as the Python that the stand-in for a shim runs. */
const program = (dice: Dice, heard: Frame): string => {
  const honest = honestAnswer(dice, heard);
  const bytes = Buffer.concat(
    Array.from({ length: 1 + dice.int(3) }, () =>
      dice.once(3) ? forgedFrame(dice, [heard]) : mutate(dice, honest, [forgedFrame(dice, [heard])]),
    ),
  );
  const noise = dice.once(3)
    ? `os.write(1, bytes.fromhex("${dice.bytes(dice.size(300)).toString('hex')}"))\n`
    : '';
  return `${noise}data = bytes.fromhex("${bytes.toString('hex')}")\nraw(data)\n${dice.pick(['', 'os._exit(3)', 'channel.close()'])}`;
};

/** One instance from boot to disposal; the call in it may be answered, or end with the process. */
const life = async (container: Container, dice: Dice, instance: number): Promise<void> => {
  container.send(FRAME.boot, { instance, a: 64 });
  await container.next(FRAME.booted);
  container.send(FRAME.load, { instance, nonce: 2 * instance, a: 1_000, b: 10_000, payload: LOAD_PAYLOAD });
  await container.next(FRAME.loaded);
  const nonce = 2 * instance + 1;
  const heard = { type: FRAME.invoke, instance, nonce } as Frame;
  container.send(FRAME.invoke, {
    instance,
    nonce,
    meta: 'an-id',
    payload: Buffer.from(program(dice, heard)),
  });
  if (dice.once(2)) container.send(FRAME.terminate, { instance });
  container.send(FRAME.dispose, { instance });
  const said = await container.until(FRAME.disposed);
  const answers = said.filter((frame) => frame.type === FRAME.outcome);
  expect(answers.length).toBeLessThanOrEqual(1);
  for (const answer of answers) expect(answer.nonce).toBe(nonce);
  const known: readonly number[] = [FRAME.outcome, FRAME.log, FRAME.violation, FRAME.exited, FRAME.disposed];
  for (const frame of said) {
    expect(known).toContain(frame.type);
    expect(frame.instance).toBe(instance);
  }
};

// Needs a Docker engine, gcc with its sanitizers and Python; `missing` says which of them is not there.
describe.skipIf(leftOut(missing))('the agent', { timeout: 300_000 }, () => {
  let removeImage: () => void = () => undefined;
  beforeAll(() => {
    removeImage = buildImage(MAKING);
  }, 120_000);
  afterAll(() => removeImage());

  it('disposes of every instance and says nothing that is not its own, whatever code processes send', async () => {
    const container = await Container.start('nodejs24');
    try {
      await fuzz('agent-process', 25, async (dice, run) => {
        await life(container, dice, run + 1);
      });
      expect(await container.processes()).toHaveLength(1);
      expect(await container.stderr()).toBe('');
    } finally {
      await container.remove();
    }
  });
});
