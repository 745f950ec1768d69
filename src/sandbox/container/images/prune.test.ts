import { expect, it } from 'vitest';
import type { EngineImages, StoredImage } from './engine-images.ts';
import { type Pruned, pruneImages } from './prune.ts';
import { expectedImage } from './state.ts';

const stored = (name: string): StoredImage => ({
  ...{ id: name, names: [name], sizeBytes: 1, createdMs: 1, labels: {} },
});

it('removes outdated images of the runtimes named, keeps the present one and those in use', async () => {
  const present = await expectedImage('python3');
  const names = [present, 'strata-python3:old', 'strata-python3:used', 'strata-provided:old', 'other:old'];
  const asked: string[] = [];
  const engine: Pick<EngineImages, 'list' | 'remove'> = {
    list: async () => names.map(stored),
    remove: async (name) => {
      asked.push(name);
      return !name.endsWith(':used');
    },
  };
  const told: Pruned[] = [];
  await pruneImages(['python3'], engine, (pruned) => told.push(pruned));
  expect(asked).toEqual(['strata-python3:old', 'strata-python3:used']);
  expect(told.map(({ name, removed }) => [name, removed])).toEqual([
    ['strata-python3:old', true],
    ['strata-python3:used', false],
  ]);
});
