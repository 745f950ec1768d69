/**
 * Says once, before the tests run, what is not tested on this machine and how to have it tested.
 */
import { CONTAINER_RUNTIMES } from '../../src/core/spec.ts';
import { missingFor } from './availability.ts';

const announce = async (): Promise<void> => {
  const missing = await missingFor(CONTAINER_RUNTIMES);
  if (missing !== null) console.warn(`\nContainers are not tested here: ${missing}.\n`);
};

// Vitest takes the default export of such a file.
export default announce;
