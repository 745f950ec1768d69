/**
 * What the CLI needs from its process, handed in by `main.ts`: nothing under `cli/` touches the process itself.
 */
import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import { StrataError } from '../core/errors.ts';
import { type Client, createClient } from './client.ts';

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly fetch: typeof fetch;
  /** Where SIGTERM and SIGINT arrive. */
  readonly signals: EventEmitter;
  /** Resolves after so long; rejects when the signal is aborted before. Keeps the process alive. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Ends the process; only `serve` needs it, the others return. */
  readonly exit: (code: number) => void;
}

export const DEFAULT_URL = 'http://127.0.0.1:7070';

/** The client that the global options ask for. */
export const clientOf = (command: Command, context: CliContext): Client => {
  const { tenant } = command.optsWithGlobals<{ tenant?: string }>();
  const apiKey = apiKeyOf(command, context);
  return createClient({ url: urlOf(command, context), tenant, apiKey, fetch: context.fetch });
};

/** From a file or the environment; never from the arguments, which every user of the machine can read. */
const apiKeyOf = (command: Command, { env }: CliContext): string | undefined => {
  const { keyFile } = command.optsWithGlobals<{ keyFile?: string }>();
  const key = keyFile === undefined ? env.STRATA_API_KEY?.trim() : readKey(keyFile);
  if (key === undefined || key === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  const source = keyFile ?? 'STRATA_API_KEY';
  throw new StrataError(
    'invalid_request',
    `${source} holds no key: it has characters that no key has. It must be the key and nothing else.`,
  );
};

const readKey = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrataError('invalid_request', `The key file ${file} cannot be read (${code}).`, { cause });
  }
};

/** The server that the global options name. */
export const urlOf = (command: Command, context: CliContext): string =>
  command.optsWithGlobals<{ url?: string }>().url ?? (context.env.STRATA_URL || DEFAULT_URL);

export const printLine = (stream: Writable, line: string): void => void stream.write(`${line}\n`);
