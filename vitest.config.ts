import { defineConfig } from 'vitest/config';

const IMAGES = 'test/contract/images.test.ts';

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
          ...{ name: 'system', include: ['test/**/*.test.ts'], exclude: [IMAGES], fileParallelism: false },
          globalSetup: ['test/container/announce.ts'],
        },
      },
      // It builds for two minutes and measures nothing: beside the unit tests it costs no time of its own.
      { extends: true, test: { name: 'images', include: [IMAGES] } },
    ],
  },
});
