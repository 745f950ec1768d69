/**
 * Whether the container tier can be tested here, and what to do when it cannot.
 *
 * A machine without an engine skips these tests with the reason; where STRATA_TEST_CONTAINERS is "required", as in
 * the CI run, their absence is a failure.
 */
import { describe } from 'vitest';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { expectedImageName } from '../../src/sandbox/container/images/names.ts';

/** Where the engine of these tests is; the usual socket unless told. */
export const ENGINE_HOST = process.env.DOCKER_HOST ?? '';

const reasonFor = async (runtimes: readonly ContainerRuntime[]): Promise<string | null> => {
  const engine = dockerEngine(ENGINE_HOST);
  try {
    await engine.info();
    for (const runtime of runtimes) {
      const name = await expectedImageName(runtime);
      if ((await engine.image(name)) === null)
        return `the image ${name} is missing: run "npx strata images build"`;
    }
    return null;
  } catch (thrown) {
    return `${thrown instanceof Error ? thrown.message : String(thrown)} Start Docker or set DOCKER_HOST`;
  }
};

/** A suite that needs an engine and the images of these runtimes. */
export const describeContainers = async (
  name: string,
  runtimes: readonly ContainerRuntime[],
  suite: () => void,
): Promise<void> => {
  const reason = await reasonFor(runtimes);
  if (reason !== null && process.env.STRATA_TEST_CONTAINERS === 'required')
    throw new Error(`containers have to be tested here, and cannot: ${reason}`);
  if (reason === null) describe(name, suite);
  // Without an engine there is nothing to test against; the name says what is missing and how to get it.
  else describe.skip(`${name} (skipped: ${reason})`, suite);
};
