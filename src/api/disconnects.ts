/**
 * Clients that go away: whoever waits on behalf of a connection is told when it closes.
 *
 * Owns one listener for each connection on which somebody waits, however many requests are pipelined on it, and none
 * for the others. Invariant: what is told or taken back is not told again.
 */
import type { Socket } from 'node:net';

const WAITING = new WeakMap<Socket, Waiters>();

interface Waiters {
  readonly tells: Set<() => void>;
  readonly onClose: () => void;
}

/**
 * Calls `tell` once, when the connection closes; at once when it has closed already.
 * @returns takes it back; whoever has waited must call it, because connections outlive requests.
 */
export const whenClosed = (socket: Socket, tell: () => void): (() => void) => {
  if (socket.destroyed) {
    tell();
    return () => {};
  }
  const waiters = WAITING.get(socket) ?? watch(socket);
  // The same function given twice is two waiters.
  const own = (): void => tell();
  waiters.tells.add(own);
  return () => {
    if (!waiters.tells.delete(own) || waiters.tells.size > 0) return;
    WAITING.delete(socket);
    socket.off('close', waiters.onClose);
  };
};

const watch = (socket: Socket): Waiters => {
  const tells = new Set<() => void>();
  const onClose = (): void => {
    WAITING.delete(socket);
    const told = [...tells];
    tells.clear();
    for (const tell of told) tell();
  };
  const waiters = { tells, onClose };
  WAITING.set(socket, waiters);
  socket.once('close', onClose);
  return waiters;
};
