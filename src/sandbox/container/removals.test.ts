import { expect, it } from 'vitest';
import { Removals } from './removals.ts';

/** Whatever was promised has been carried on with. */
const turn = async (): Promise<void> => {
  for (let times = 0; times < 50; times += 1) await Promise.resolve();
};

/** An engine that removes when it is told to. */
const setUp = () => {
  const asked: string[] = [];
  const open = new Map<string, { resolve: (isGone: boolean) => void; reject: (reason: Error) => void }>();
  const removals = new Removals({
    remove: (id) =>
      new Promise((resolve, reject) => {
        asked.push(id);
        open.set(id, { resolve, reject });
      }),
  });
  return { asked, open, removals };
};

it('removes a few of the dead at once, and what may be alive without waiting for them', async () => {
  const { asked, open, removals } = setUp();
  const first = removals.remove('dead 1', true);
  void removals.remove('dead 2', true);
  void removals.remove('dead 3', true);
  void removals.remove('alive', false);
  await turn();
  expect(asked.toSorted()).toEqual(['alive', 'dead 1', 'dead 2']);
  open.get('dead 1')?.resolve(true);
  await first;
  await turn();
  expect(asked).toContain('dead 3');
});

it('lets nothing start while too many are left, and lets it when one of them is gone or given up', async () => {
  const { open, removals } = setUp();
  const removing = Array.from({ length: 32 }, (_, at) => removals.remove(`dead ${at}`, true));
  await turn();
  let started = 0;
  const start = async (): Promise<void> => {
    await removals.room();
    started += 1;
  };
  const starts = [start(), start()];
  await turn();
  expect(started).toBe(0);
  open.get('dead 0')?.reject(new Error('the engine is gone'));
  await expect(removing[0]).rejects.toThrow('the engine is gone');
  await Promise.all(starts);
  expect(started).toBe(2);
});
