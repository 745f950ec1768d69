/**
 * Commands as a port: a program of this machine run to its end, and what it printed.
 *
 * Owns starting it and both bounds, time and output. Never goes through a shell, and hands on no environment but the
 * one that is asked for. An exit code other than 0 is a result; what is thrown is that the program did not run.
 */
import { execFile } from 'node:child_process';

export interface CommandRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  readonly timeoutMs: number;
  readonly outputMaxBytes: number;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program is not there, was stopped by a bound, or by a signal. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly missing: boolean;

  constructor(message: string, missing: boolean) {
    super(message);
    this.missing = missing;
  }
}

export interface Commands {
  /** @throws CommandError */
  run(request: CommandRequest): Promise<CommandResult>;
}

export const systemCommands: Commands = {
  run: ({ command, args, env, folder, input, timeoutMs, outputMaxBytes }) =>
    new Promise((resolve, reject) => {
      const options = {
        ...({ env: { ...env }, encoding: 'utf8', killSignal: 'SIGKILL', cwd: folder } as const),
        ...{ timeout: timeoutMs, maxBuffer: outputMaxBytes },
      };
      const child = execFile(command, [...args], options, (error, stdout, stderr) => {
        if (error === null) resolve({ exitCode: 0, stdout, stderr });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, stdout, stderr });
        else reject(faultOf(command, error, timeoutMs, outputMaxBytes));
      });
      // A program that ends without reading its input is judged by its exit code.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input ?? '');
    }),
};

const faultOf = (
  command: string,
  error: Error & { code?: string | number | null; signal?: NodeJS.Signals | null },
  timeoutMs: number,
  outputMaxBytes: number,
): CommandError => {
  if (error.code === 'ENOENT') return new CommandError(`${command} is not installed`, true);
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return new CommandError(`${command} printed more than ${outputMaxBytes} bytes and was stopped`, false);
  }
  if (error.signal === 'SIGKILL') {
    return new CommandError(`${command} was killed, at the latest after ${timeoutMs} ms`, false);
  }
  return new CommandError(`${command} could not be run: ${error.message}`, false);
};
