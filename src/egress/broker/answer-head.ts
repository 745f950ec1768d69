/**
 * The head of an answer as the sandbox gets it.
 *
 * Owns which headers go on: all but those that are about the connection, which ends at the broker.
 */
import type { AnswerHead } from '../../guest/contract.ts';

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

export const headJson = (status: number, statusText: string, rawHeaders: unknown): string => {
  const raw = Array.isArray(rawHeaders) ? (rawHeaders as (Buffer | string)[]) : [];
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = textOf(raw[at]).toLowerCase();
    if (!DROPPED.has(name)) headers.push([name, textOf(raw[at + 1])]);
  }
  return JSON.stringify({ status, statusText, headers } satisfies AnswerHead);
};

const textOf = (part: Buffer | string | undefined): string =>
  typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
