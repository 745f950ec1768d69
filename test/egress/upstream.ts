/**
 * Servers on loopback that functions reach through the broker: an ordinary one, and some that mean harm.
 */
import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Upstream {
  readonly port: number;
  /** What was asked of it: method and path. */
  readonly seen: string[];
  /** Connections that are open now. */
  readonly open: () => number;
  close(): Promise<void>;
}

/** Answers by path; see the switch. */
export const startUpstream = async (): Promise<Upstream> => {
  const seen: string[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://upstream');
    seen.push(`${request.method} ${request.url}`);
    const count = Number(url.searchParams.get('n') ?? 0);
    switch (url.pathname) {
      case '/to':
        response.writeHead(Number(url.searchParams.get('status') ?? 302), {
          location: url.searchParams.get('url') ?? '',
        });
        response.end('elsewhere');
        return;
      case '/bytes':
        response.end(Buffer.alloc(count, 'x'));
        return;
      case '/endless':
        endless(response);
        return;
      case '/never':
        return;
      case '/begins':
        response.write('the beginning');
        return;
      case '/breaks':
        response.writeHead(200, { 'content-length': '1000' });
        response.write('part');
        setImmediate(() => request.socket.destroy());
        return;
      case '/cookies':
        response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'], 'x-list': ['1', '2'] });
        response.end();
        return;
      default:
        echo(request, response);
    }
  });
  return { ...(await listening(server)), seen };
};

/** A server that writes bytes of its own as soon as the head of a request is there. */
export const startRaw = async (answer: (socket: Socket) => void): Promise<Upstream> => {
  const seen: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      const before = text.includes('\r\n\r\n');
      text += chunk.toString('latin1');
      if (before || !text.includes('\r\n\r\n')) return;
      seen.push(text.split('\r\n', 1)[0] ?? '');
      answer(socket);
    });
  });
  return { ...(await listening(server)), seen };
};

const listening = async (server: Server | http.Server): Promise<Omit<Upstream, 'seen'>> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

const echo = (request: http.IncomingMessage, response: http.ServerResponse): void => {
  let bytes = 0;
  let text = '';
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (text.length < 1_000) text += chunk.toString('utf8');
  });
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, bytes, text: text.slice(0, 1_000) }));
  });
};

const endless = (response: http.ServerResponse): void => {
  const chunk = Buffer.alloc(16_384, 'x');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
};
