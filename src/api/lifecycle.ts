/**
 * From listening to the end: a graceful drain on the first signal, an exit at once on the second.
 *
 * Owns the order: no new work, what is in flight finishes (or the drain's time is up), the server closes, the
 * sandboxes end, the process exits. Invariant: the process exits exactly once, with 0 only after a clean end.
 */
import type { EventEmitter } from 'node:events';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { StrataError } from '../core/errors.ts';
import type { Executor } from '../invocation/api.ts';
import type { Clock } from '../ports/clock.ts';
import { assertReachable } from './loopback.ts';

/** How long connections may stay open after the last invocation ended. */
const CLOSE_GRACE_MS = 1_000;

/**
 * Ctrl+C reaches every process of the terminal's group, and npm and the launcher forward it too: the same signal
 * again within this time is that echo, not a second request.
 */
const ECHO_MS = 100;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Listens; on loopback only while the server asks for nothing.
 * @returns the address as a URL without a path.
 * @throws StrataError `forbidden` for another address, `conflict` when the port is in use.
 */
export const listen = async (
  app: FastifyInstance,
  host: string,
  port: number,
  isOpen = true,
): Promise<string> => {
  assertReachable(host, isOpen);
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new StrataError(
        'conflict',
        `Port ${port} on ${host} is in use by another process; stop it, or choose another with --port.`,
        { cause: error },
      );
    }
    if (code === 'EACCES') {
      throw new StrataError('forbidden', `This user may not listen on port ${port}; choose one above 1023.`, {
        cause: error,
      });
    }
    throw error;
  }
};

export interface LifecycleOptions {
  readonly app: FastifyInstance;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly drainTimeoutMs: number;
  /** Where signals come from: the process. */
  readonly signals: EventEmitter;
  /** Ends the process. */
  readonly exit: (code: number) => void;
}

/** Installs the signal handlers. */
export const drainOnSignals = (options: LifecycleOptions): void => {
  let first: { readonly signal: string; readonly atMs: number } | null = null;
  for (const signal of SIGNALS) {
    options.signals.on(signal, () => {
      const nowMs = options.clock.nowMs();
      if (first !== null) {
        if (first.signal === signal && nowMs - first.atMs < ECHO_MS) return;
        options.logger.warn({ signal }, 'second signal: exit at once');
        options.exit(1);
        return;
      }
      first = { signal, atMs: nowMs };
      options.logger.info({ signal }, 'draining');
      void drainAndClose(options).then(
        () => options.exit(0),
        (error: unknown) => {
          options.logger.error({ err: error }, 'the drain failed');
          options.exit(1);
        },
      );
    });
  }
};

/** Drains, then closes server and executor. */
const drainAndClose = async ({
  app,
  executor,
  logger,
  clock,
  drainTimeoutMs,
}: Omit<LifecycleOptions, 'signals' | 'exit'>): Promise<void> => {
  await executor.drain(drainTimeoutMs);
  const closed = app.close();
  // Ends what outlived the drain's time, so that its callers get an answer before their connection closes.
  await executor.close();
  const force = clock.setTimer(CLOSE_GRACE_MS, () => app.server.closeAllConnections());
  await closed;
  force.cancel();
  logger.info('closed');
};
