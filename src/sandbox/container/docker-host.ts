/**
 * Where the Docker engine listens: the text that users give, and what dockerode takes.
 *
 * Owns the parsing. Never connects. Every field that dockerode would otherwise fill in from this process's
 * environment is set, so that the text alone decides.
 */
import { isIPv6 } from 'node:net';
import type Docker from 'dockerode';
import { StrataError } from '../../core/errors.ts';

const USUAL_SOCKET = '/var/run/docker.sock';
const USUAL_TCP_PORT = 2375;
/** The kernel's bound for the path of a unix socket, without the closing NUL. */
const SOCKET_PATH_MAX_BYTES = 107;

/**
 * @param dockerHost '' for the usual socket, `unix:///path`, or `tcp://host[:port]` (plain HTTP).
 * @throws StrataError `invalid_request` for anything else.
 */
export const dockerodeOptions = (dockerHost: string): Docker.DockerOptions => {
  if (dockerHost === '') return atSocket(USUAL_SOCKET);
  if (dockerHost.startsWith('unix://')) return atSocket(socketPath(dockerHost));
  if (dockerHost.startsWith('tcp://')) return atAddress(dockerHost);
  throw refused(dockerHost, 'it has to begin with unix:// or tcp://');
};

/** The same place in words, for messages. */
export const describeDockerHost = (dockerHost: string): string =>
  dockerHost === '' ? `unix://${USUAL_SOCKET}` : dockerHost;

/** The path of the engine's socket; null when it is reached over the network and may be another machine. */
export const localSocket = (dockerHost: string): string | null =>
  dockerodeOptions(dockerHost).socketPath ?? null;

const NOTHING = {
  ...{ socketPath: undefined, host: undefined, port: undefined, username: undefined },
  ...{ ca: undefined, cert: undefined, key: undefined, timeout: undefined },
};

const atSocket = (path: string): Docker.DockerOptions => ({ ...NOTHING, protocol: 'http', socketPath: path });

const socketPath = (dockerHost: string): string => {
  const path = dockerHost.slice('unix://'.length);
  if (!path.startsWith('/') || path === '/')
    throw refused(dockerHost, 'the path of the socket is not absolute');
  if (path.includes('\0')) throw refused(dockerHost, 'the path of the socket contains a NUL');
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES) {
    throw refused(dockerHost, `the path of the socket is longer than ${SOCKET_PATH_MAX_BYTES} bytes`);
  }
  return path;
};

const atAddress = (dockerHost: string): Docker.DockerOptions => {
  const text = dockerHost.slice('tcp://'.length).replace(/\/$/, '');
  const match =
    /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?))(?::(?<port>\d{1,5}))?$/.exec(
      text,
    );
  const { six, name, port = String(USUAL_TCP_PORT) } = match?.groups ?? {};
  const host = six ?? name;
  if (host === undefined) throw refused(dockerHost, 'after tcp:// comes a host name or address, and a port');
  if (six !== undefined && !isIPv6(six)) throw refused(dockerHost, `${six} is no IPv6 address`);
  if (Number(port) < 1 || Number(port) > 65_535) {
    throw refused(dockerHost, `the port ${port} is not between 1 and 65535`);
  }
  return { ...NOTHING, protocol: 'http', host: six === undefined ? host : `[${six}]`, port: Number(port) };
};

const refused = (dockerHost: string, why: string): StrataError =>
  new StrataError(
    'invalid_request',
    `${JSON.stringify(dockerHost.slice(0, 200))} names no Docker engine: ${why}. Give unix:///path/to/docker.sock, tcp://host:2375, or nothing for ${USUAL_SOCKET}.`,
  );
