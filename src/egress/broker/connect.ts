/**
 * A connection to one of the addresses that were checked.
 *
 * Owns the order in which they are tried and the time for all of them. Never resolves a name: sockets get addresses. TLS
 * is verified for the name that was asked for.
 */
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Clock, Timer } from '../../ports/clock.ts';
import { type Address, parseAddress } from '../addresses.ts';
import { failed, NetworkError } from '../failures.ts';

export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly addresses: readonly Address[];
}

export interface Connecting {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Certificates to trust instead of the well-known ones; for tests. */
  readonly ca?: string;
}

type Connected = (error: Error | null, socket: Socket | null) => void;

/** Calls back once; what is still connecting when it is given up is destroyed. @returns what gives it up. */
export const connectTo = (destination: Destination, how: Connecting, done: Connected): (() => void) => {
  const { addresses, host, port } = destination;
  let at = 0;
  let current: Socket | null = null;
  let settled = false;
  const settle: Connected = (error, socket) => {
    if (settled) return;
    settled = true;
    timer.cancel();
    done(error, socket);
  };
  const timer: Timer = how.clock.setTimer(how.timeoutMs, () => {
    settle(
      new NetworkError(
        failed('UND_ERR_CONNECT_TIMEOUT', `no connection to ${host}:${port} within ${how.timeoutMs} ms`),
      ),
      null,
    );
    current?.destroy();
  });
  const next = (last: Error | null): void => {
    const address = addresses[at];
    at += 1;
    if (settled) return;
    if (address === undefined) {
      settle(last ?? new NetworkError(failed('ENOTFOUND', `${host} has no address`)), null);
      return;
    }
    current = attempt(destination, address, how.ca, (error, socket) => {
      if (error !== null) next(error);
      else settle(null, socket);
    });
  };
  next(null);
  return () => {
    settle(new NetworkError(failed('ABORTED', 'the request was given up')), null);
    current?.destroy();
  };
};

const attempt = (
  { host, port, secure }: Destination,
  address: Address,
  ca: string | undefined,
  done: Connected,
): Socket => {
  const socket = tcpConnect({ host: address.text, port, family: address.family, noDelay: true });
  const fail = (error: Error): void => {
    socket.destroy();
    done(error, null);
  };
  socket.once('error', fail);
  socket.once('connect', () => {
    // It cannot differ; were it to, nothing may go out.
    if (parseAddress(socket.remoteAddress ?? '')?.text !== address.text) {
      fail(
        new NetworkError(failed('EADDRNOTAVAIL', 'the connection went to another address than was checked')),
      );
      return;
    }
    if (!secure) {
      socket.off('error', fail);
      done(null, socket);
      return;
    }
    const tls = tlsConnect({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : { host }),
      ALPNProtocols: ['http/1.1'],
      ...(ca === undefined ? {} : { ca }),
    });
    const failTls = (error: Error): void => {
      tls.destroy();
      fail(error);
    };
    tls.once('error', failTls);
    tls.once('secureConnect', () => {
      tls.off('error', failTls);
      socket.off('error', fail);
      socket.on('error', () => undefined);
      done(null, tls);
    });
  });
  return socket;
};
