/**
 * The head of an answer as the sandbox gets it.
 *
 * Owns which headers go on: all but those that are about the connection, which ends at the broker. Invariant: what comes
 * out fits into a frame, whatever JSON makes of it; a frame that does not would end the broker.
 */
import type { AnswerHead } from '../../guest/contract.ts';
import { HEAD_MAX_BYTES } from '../../sandbox/protocol/network-frames.ts';

const DROPPED: ReadonlySet<string> = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
    'te',
    'trailer',
    'transfer-encoding',
  ],
  ...['upgrade', 'alt-svc', 'proxy-connection'],
]);

/** The parser counts headers, not the words behind the status. */
const STATUS_TEXT_MAX_CHARS = 256;

/** Null when it is too large. */
export const headJson = (status: number, text: string, rawHeaders: unknown): string | null => {
  const raw = Array.isArray(rawHeaders) ? (rawHeaders as (Buffer | string)[]) : [];
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = textOf(raw[at]).toLowerCase();
    if (!DROPPED.has(name)) headers.push([name, textOf(raw[at + 1])]);
  }
  const statusText = text.slice(0, STATUS_TEXT_MAX_CHARS);
  const json = JSON.stringify({ status, statusText, headers } satisfies AnswerHead);
  return Buffer.byteLength(json) <= HEAD_MAX_BYTES ? json : null;
};

const textOf = (part: Buffer | string | undefined): string =>
  typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
