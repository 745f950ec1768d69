/**
 * The examples for containers, deployed from their files as the command line does it.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collectCode } from '../../src/cli/code-files.ts';
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../src/core/spec.ts';
import { createExecutor } from '../../src/index.ts';
import type { Executor } from '../../src/invocation/api.ts';
import { describeContainers, ENGINE_HOST } from '../container/availability.ts';

const EXAMPLES: readonly (readonly [string, ContainerRuntime, object, object])[] = [
  [
    'tally.py',
    'python3',
    { text: 'A fox, a dog' },
    {
      words: 4,
      top: [
        ['a', 2],
        ['dog', 1],
        ['fox', 1],
      ],
    },
  ],
  ['shell', 'provided', { n: 1 }, { handler: 'bootstrap', bytes: 7, event: { n: 1 } }],
  ['hello.js', 'nodejs24', { name: 'Ada' }, { hello: 'Ada' }],
];

await describeContainers('the examples for containers', CONTAINER_RUNTIMES, () => {
  let executor: Executor;
  beforeAll(async () => {
    const container = { mode: 'required', engineHost: ENGINE_HOST } as const;
    executor = await createExecutor({ dataDir: ':memory:', container });
  });
  afterAll(() => executor.close());

  it.each(EXAMPLES)('%s answers in the runtime %s, cold and warm', async (path, runtime, event, result) => {
    const file = fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
    const { code, name } = await collectCode(file, runtime);
    await executor.deploy({ name, runtime, code });
    for (let call = 0; call < 2; call += 1) {
      expect(await executor.invoke({ function: name, event })).toMatchObject({ status: 'succeeded', result });
    }
  });
});
