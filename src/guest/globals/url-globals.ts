/** What install.ts takes from this folder for URLs: one export, because the bundle pays for each at boot. */
import { URL } from './url.ts';
import { URLSearchParams } from './url-search-params.ts';

export const urlGlobals = { URL, URLSearchParams };
