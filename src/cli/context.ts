/**
 * What the CLI needs from its process, handed in by `main.ts`: nothing under `cli/` touches the process itself.
 */
import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import { type Client, createClient } from './client.ts';

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly fetch: typeof fetch;
  /** Where SIGTERM and SIGINT arrive. */
  readonly signals: EventEmitter;
  /** Ends the process; only `serve` needs it, the others return. */
  readonly exit: (code: number) => void;
}

export const DEFAULT_URL = 'http://127.0.0.1:7070';

/** The client that the global options ask for. */
export const clientOf = (command: Command, context: CliContext): Client => {
  const { tenant } = command.optsWithGlobals<{ tenant?: string }>();
  return createClient({ url: urlOf(command, context), tenant, fetch: context.fetch });
};

/** The server that the global options name. */
export const urlOf = (command: Command, context: CliContext): string =>
  command.optsWithGlobals<{ url?: string }>().url ?? (context.env.STRATA_URL || DEFAULT_URL);

export const printLine = (stream: Writable, line: string): void => void stream.write(`${line}\n`);
