import { defineConfig } from 'vitest/config';

/** Unit tests lie beside the source and need no sandbox; the other projects start real processes. */
export default defineConfig({
  test: {
    pool: 'forks',
    execArgv: ['--no-node-snapshot'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts', 'bench/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          ...{ name: 'system', include: ['test/**/*.test.ts'], fileParallelism: false },
          globalSetup: ['test/container/announce.ts'],
        },
      },
    ],
  },
});
