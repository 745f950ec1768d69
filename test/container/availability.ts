/**
 * Whether the container tier can be tested here, and what to do when it cannot.
 *
 * A machine without an engine skips these tests with the reason; where STRATA_TEST_CONTAINERS is "required", as in
 * the CI run, their absence is a failure.
 */
import { describe } from 'vitest';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { expectedImage } from '../../src/sandbox/container/images/state.ts';

/** Where the engine of these tests is; the usual socket unless told. */
export const ENGINE_HOST = process.env.DOCKER_HOST ?? '';

/** Why containers of these runtimes cannot be tested here, and what to do; null when they can. */
export const missingFor = async (runtimes: readonly ContainerRuntime[]): Promise<string | null> => {
  try {
    const engine = dockerEngine(ENGINE_HOST);
    await engine.info();
    for (const runtime of runtimes) {
      const name = await expectedImage(runtime);
      if ((await engine.image(name)) === null)
        return `the image ${name} is missing: run \`npx strata images build\``;
    }
    return null;
  } catch (thrown) {
    return `${thrown instanceof Error ? thrown.message : String(thrown)} Start Docker, or set DOCKER_HOST`;
  }
};

/** Whether a suite is left out, as there is something missing. @throws Error where it may not be. */
export const leftOut = (missing: string | null): boolean => {
  if (missing !== null && process.env.STRATA_TEST_CONTAINERS === 'required')
    throw new Error(`containers have to be tested here, and cannot: ${missing}`);
  return missing !== null;
};

/** A suite that needs an engine and the images of these runtimes. */
export const describeContainers = async (
  name: string,
  runtimes: readonly ContainerRuntime[],
  suite: () => void,
): Promise<void> => {
  const missing = await missingFor(runtimes);
  // Without an engine there is nothing to test against; the name says what is missing and how to get it.
  describe.skipIf(leftOut(missing))(missing === null ? name : `${name} (skipped: ${missing})`, suite);
};
