/**
 * Requests over TLS: the name that was asked for is verified, whatever address it was checked at.
 */
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRange, type Range } from '../../src/egress/addresses.ts';
import { Exchange, type Spent } from '../../src/egress/broker/exchange.ts';
import type { AnswerHead, NetworkFailure } from '../../src/guest/contract.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { CERTIFICATE, KEY } from './certificate.ts';

let server: https.Server;
let port: number;
const names: (string | boolean)[] = [];

beforeAll(async () => {
  server = https.createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    const { servername, alpnProtocol } = request.socket as unknown as {
      servername: string;
      alpnProtocol: string;
    };
    names.push(servername);
    response.end(JSON.stringify({ host: request.headers.host, alpnProtocol }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => server.close());

interface Outcome {
  readonly head: AnswerHead | null;
  readonly text: string;
  readonly failure: NetworkFailure | null;
  readonly spent: Spent;
}

const ask = (url: string, options: { ca?: string; allow?: readonly string[] } = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    let head: AnswerHead | null = null;
    let text = '';
    const policy = {
      ...{ allow: options.allow ?? ['*:*', '127.0.0.1:*'], maxSentBytes: 1_000, maxReceivedBytes: 10_000 },
      ...{ sentLimit: 1_000, receivedLimit: 10_000 },
    };
    const parts = {
      clock: systemClock,
      options: { maxHeaderBytes: 4_096, connectTimeoutMs: 2_000, requestTimeoutMs: 5_000 },
      gate: {
        resolve: async () => ['127.0.0.1'],
        ownAddresses: () => new Set<string>(),
        privateRanges: [parseRange('127.0.0.0/8') as Range],
      },
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    };
    const exchange = new Exchange(parts, policy, false, {
      head: (json) => {
        head = JSON.parse(json) as AnswerHead;
      },
      data: (bytes) => {
        text += bytes.toString();
      },
      used: () => undefined,
      ended: (spent) => resolve({ head, text, failure: null, spent }),
      failed: (failure, spent) => resolve({ head, text, failure, spent }),
    });
    exchange.start(JSON.stringify({ method: 'GET', url, headers: [], length: null }));
  });

it('are answered when the certificate is for the name', async () => {
  const { head, text, spent } = await ask(`https://tls.test:${port}/`, { ca: CERTIFICATE });
  expect(head?.status).toBe(200);
  expect(JSON.parse(text)).toEqual({ host: `tls.test:${port}`, alpnProtocol: 'http/1.1' });
  expect(names.at(-1)).toBe('tls.test');
  expect(spent.sent).toBeGreaterThan(20);
  expect(spent.received).toBeGreaterThan(text.length);
});

it('fail when the certificate is for another name', async () => {
  const { failure, spent } = await ask(`https://other.test:${port}/`, { ca: CERTIFICATE });
  expect(failure).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID', refused: false });
  expect(spent.sent).toBe(0);
});

it('fail for an address that the certificate does not name', async () => {
  const { failure } = await ask(`https://127.0.0.1:${port}/`, { ca: CERTIFICATE });
  expect(failure?.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
});

it('fail when nobody known has signed', async () => {
  const { failure } = await ask(`https://tls.test:${port}/`);
  expect(failure?.code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
});

it('are refused like others', async () => {
  const { failure } = await ask(`https://tls.test:${port}/`, { ca: CERTIFICATE, allow: ['*:443'] });
  expect(failure?.code).toBe('network_denied');
});
