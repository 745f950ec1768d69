/** What install.ts takes from this folder for fetch: one export, because the bundle pays for each at boot. */
import { fetch } from './fetch.ts';
import { Headers } from './headers.ts';
import { ReadableStream } from './readable-stream.ts';
import { Request } from './request.ts';
import { Response } from './response.ts';

export const fetchGlobals = { fetch, Headers, ReadableStream, Request, Response };
