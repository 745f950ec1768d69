/** What install.ts takes from this folder for text and bytes: one export, because the bundle pays for each at boot. */
import { atob, btoa } from './base64.ts';
import { TextDecoder, TextEncoder } from './encoding.ts';

export const textGlobals = { TextEncoder, TextDecoder, atob, btoa };
