/**
 * Requests by way of a browser, and texts that would become something else on their way: a header, a page, a file.
 */
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, type Target } from '../target.ts';
import { isRefusal, PLAIN, type RawRequests, refusesRaw, withOwn } from '../wire.ts';

const onPage = (headers: string): string => {
  const body = JSON.stringify(PLAIN);
  return `PUT /v1/functions/from-a-page HTTP/1.1\r\n${headers}Strata-Tenant: ${ATTACKER}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

/** @throws Breach unless each is forbidden, and made no function. */
const forbids = async (target: Target, requests: RawRequests, detail: RegExp): Promise<void> => {
  await refusesRaw(target, requests, { code: 'forbidden', status: 403, detail });
  const { status } = await target.request('GET', '/v1/functions/from-a-page');
  holds(status === 404, `a page made a function: ${status}`);
};

export const API_PAGES_CASES: readonly AttackCase[] = [
  {
    ...{
      id: 426,
      group: 'api',
      name: 'a page that gives its own name to the address of the server',
      harmless: true,
    },
    wire: (target) =>
      forbids(
        target,
        Object.fromEntries(
          [
            ...[
              'evil.example',
              'evil.example:7070',
              'localhost.evil.example',
              '127.0.0.1.evil.example',
              'localhost@evil.example',
            ],
            ...[
              'evil.example@localhost',
              'localhost.',
              'localhost:80:90',
              '[::1]evil.example',
              '[::2]',
              '[::ffff:127.0.0.1]',
            ],
            ...[
              '0.0.0.0',
              '10.0.0.1',
              '169.254.169.254',
              '2130706433',
              '0x7f.0.0.1',
              'localhost,evil.example',
              'localhost evil.example',
            ],
            ...[
              'xn--localhost',
              'localhost%00.evil.example',
              'localhost#evil.example',
              'localhost/evil.example',
            ],
          ].map((host) => [host, onPage(`Host: ${host}\r\n`)]),
        ),
        /^The Host header is /,
      ),
  },
  {
    ...{ id: 427, group: 'api', name: 'two names of the server in one request', harmless: true },
    wire: (target) =>
      forbids(
        target,
        {
          'the page second': onPage('Host: localhost\r\nHost: evil.example\r\n'),
          'the page first': onPage('Host: evil.example\r\nHost: localhost\r\n'),
          'the same twice': onPage('Host: localhost\r\nHost: localhost\r\n'),
        },
        /^The Host header is /,
      ),
  },
  {
    ...{ id: 428, group: 'api', name: 'a page of another site', harmless: true },
    async wire(target) {
      const host = 'Host: localhost:7070\r\n';
      const origins = [
        'https://evil.example',
        'null',
        'http://localhost',
        'http://localhost:7071',
        'http://127.0.0.1:7070',
        'file://',
        'http://localhost:7070.evil.example',
        'chrome-extension://abc',
        'http://localhost:7070, http://evil.example',
      ];
      await forbids(
        target,
        Object.fromEntries(origins.map((origin) => [origin, onPage(`${host}Origin: ${origin}\r\n`)])),
        /^The Origin header is /,
      );
      const asks = `OPTIONS /v1/functions/from-a-page HTTP/1.1\r\n${host}Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n`;
      const text = await target.raw(asks);
      holds(text.startsWith('HTTP/1.1 403 '), `what asks ahead is answered with ${text.slice(0, 40)}`);
      holds(!/^access-control-/im.test(text), 'pages of other sites are let in');
    },
  },
  {
    ...{ id: 108, group: 'api', name: 'line ends in what comes back in headers', harmless: true },
    async wire(target) {
      const injected = '%0d%0aX-Injected:%201%0d%0a%0d%0a<script>';
      const split = 'a\r\nX-Injected: 1\r\n\r\n<script>';
      const paths = [
        `/v1/functions/${injected}`,
        `/v1/invocations/${injected}`,
        `/v1/functions/own-function?qualifier=${injected}`,
        `/v1/functions?cursor=${injected}`,
        `/${injected}`,
      ];
      for (const path of paths) {
        const reply = await target.request('GET', path);
        holds(reply.status === 400 || reply.status === 404, `${path}: ${reply.status}`);
        holds(reply.headers.get('x-injected') === null, `${path}: a header of the caller's is in the answer`);
        holds(reply.headers.get('content-type') === 'application/problem+json', `${path}: not a problem`);
      }
      const code = {
        source: `exports.handler = async () => { throw Object.assign(new Error(${JSON.stringify(split)}), { name: ${JSON.stringify(split)} }); };`,
      };
      await withOwn(
        target,
        'own-function',
        async () => {
          const reply = await target.invoke('own-function');
          isRefusal('an error with line ends', reply, { code: 'function_error', status: 502 });
          holds(reply.headers.get('x-injected') === null, 'a header of the function is in the answer');
        },
        { ...PLAIN, code },
      );
    },
  },
  {
    ...{ id: 429, group: 'api', name: 'paths that lead elsewhere once they are decoded', harmless: true },
    async wire(target) {
      const ups = [
        '..',
        '%2e%2e',
        '%2E%2e',
        '.%2e',
        '..%2f',
        '%2e%2e%2f',
        '..%5c',
        '%252e%252e',
        '%c0%ae%c0%ae',
        '%e0%80%ae',
        '..%00',
        '..;',
        '%ff',
        '%u002e',
        '%00',
      ];
      for (const up of ups)
        for (const path of [
          `/v1/functions/${up}/${up}/etc/passwd`,
          `/${up}/${up}/etc/passwd`,
          `/v1/functions/${up}`,
          `/v1/invocations/${up}/logs`,
        ]) {
          const text = await target.raw(
            `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
          );
          holds(/^HTTP\/1\.1 40[04] /.test(text), `${path}: ${text.slice(0, 40)}`);
          holds(!text.includes('root:'), `${path} is a file of the machine`);
        }
      await refusesRaw(
        target,
        {
          'bytes beyond ASCII': Buffer.from(
            'GET /v1/functions/\xc0\xae\xc0\xae HTTP/1.1\r\nHost: localhost\r\n\r\n',
            'latin1',
          ),
          'a NUL': 'GET /v1/functions/a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n',
        },
        { code: 'invalid_request', status: 400 },
      );
    },
  },
];
