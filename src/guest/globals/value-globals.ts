/** What install.ts takes from this folder for values and randomness: one export, because the bundle pays for each at boot. */
import { createCrypto } from './crypto.ts';
import { DOMException } from './dom-exception.ts';
import { structuredClone } from './structured-clone.ts';

export const valueGlobals = { createCrypto, DOMException, structuredClone };
