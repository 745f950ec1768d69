/**
 * The agent's reader of what a function asks of the proxy, against bytes of all kinds: the program is C and reads what a
 * hostile function writes, so it runs here under the address and undefined behaviour sanitizers.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HERE = new URL('.', import.meta.url).pathname;
const SOURCES = join(HERE, '../../sandbox-images/agent');
const SEED = 20_261_121;
const RUNS = 4_000;

const hasCompiler = ((): boolean => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

let folder: string;

interface Asked {
  readonly bytes: Buffer;
  /** What comes behind the head is read in pieces of this size. */
  readonly piece: number;
}

interface Read {
  readonly verdict: string;
  readonly target: string;
  /** What goes on. */
  readonly passed: Buffer;
}

const readAll = (asked: readonly Asked[]): Read[] => {
  const input = asked.map(({ bytes, piece }) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32LE(bytes.length);
    prefix[4] = piece;
    return Buffer.concat([prefix, bytes]);
  });
  const output = execFileSync(join(folder, 'reader'), {
    ...{ input: Buffer.concat(input), maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'pipe'] },
  }).toString();
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [verdict = '', target = '', passed = ''] = line.split(' ');
      return {
        verdict,
        target: Buffer.from(target, 'hex').toString('latin1'),
        passed: Buffer.from(passed, 'hex'),
      };
    });
};

const read = (text: string, piece = 7): Read =>
  readAll([{ bytes: Buffer.from(text, 'latin1'), piece }])[0] as Read;

/** Pieces of requests, and what would be clever between them. */
const PIECES = [
  ...[
    'GET ',
    'POST ',
    'CONNECT ',
    'http://',
    'https://',
    'a.test',
    ':80',
    '/',
    '?q',
    '#f',
    '@',
    ' HTTP/1.1',
    ' HTTP/1.0',
  ],
  ...[
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    '\0',
    '\t',
    ' ',
    ':',
    ';',
    'Host: b',
    'Connection: close',
    'X: y',
    '[::1]',
    '\\',
  ],
  ...[
    'Content-Length: 3',
    'Content-Length: 99999999999999',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: x',
  ],
  ...['0\r\n\r\n', '3\r\nabc\r\n', 'ffffffffffffffff\r\n', 'f;x=y\r\n', 'abc', '\x80\xff', 'x'.repeat(400)],
];

// Needs a C compiler with its sanitizers.
describe.skipIf(!hasCompiler)('the reader of the proxy', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'strata-proxy-reader-'));
    const flags = [
      '-std=c17',
      '-O1',
      '-g',
      '-D_GNU_SOURCE',
      '-fsanitize=address,undefined',
      '-fno-sanitize-recover',
    ];
    const sources = ['proxy-request.c', 'http-text.c'].map((name) => join(SOURCES, name));
    execFileSync('gcc', [
      ...[...flags, `-I${SOURCES}`, '-o', join(folder, 'reader')],
      ...[join(HERE, 'agent/proxy-reader.c'), ...sources],
    ]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('writes the head anew, with the host that was asked for and nothing about the way here', () => {
    const found = read(
      'PUT HTTP://A.test?x=1#f HTTP/1.1\r\nHost: evil\r\nhost: evil\r\nConnection: keep-alive\r\n' +
        'Proxy-Authorization: x\r\nUpgrade: h2c\r\nTE: trailers\r\nA:  b \r\nContent-Length: 2\r\n\r\nabGET',
    );
    expect(found).toMatchObject({ verdict: 'request', target: 'A.test:80' });
    expect(found.passed.toString()).toBe(
      'PUT /?x=1 HTTP/1.1\r\nHost: A.test\r\nConnection: close\r\nA:  b \r\nContent-Length: 2\r\n\r\nab',
    );
  });

  it.each([1, 2, 3, 5, 255])(
    'passes on a chunked body to its end and no further, in pieces of %i',
    (piece) => {
      const body = '5;a="b"\r\nhello\r\n00A \r\n0123456789\r\n0\r\nT: r\r\nU: s\r\n\r\n';
      const head = 'POST http://a.test:81/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n';
      const found = read(`${head}${body}GET http://b.test/ HTTP/1.1\r\n\r\n`, piece);
      expect(found.target).toBe('a.test:81');
      expect(found.passed.toString().split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe(body);
    },
  );

  it.each([
    'g\r\n',
    '\r\n',
    '1\n',
    '1\r\nab\r\n',
    '1\r\na\n',
    '1000000000000\r\n',
    `1;${'x'.repeat(300)}`,
    '0\r\n\n',
  ])('passes on nothing behind a chunk that is none: %j', (body) => {
    const head = 'POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';
    const found = read(`${head}${body}GET /smuggled`);
    expect(found.passed.toString()).not.toContain('smuggled');
  });

  it('takes no harm from any bytes, and passes on one request with one host', () => {
    const bytes = fc.oneof(
      fc
        .array(fc.constantFrom(...PIECES), { maxLength: 24 })
        .map((parts) => Buffer.from(parts.join(''), 'latin1')),
      fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
      fc
        .array(fc.constantFrom(...PIECES), { maxLength: 12 })
        .map((parts) =>
          Buffer.from(
            `POST http://a.test/ HTTP/1.1\r\n${parts.join('\r\n')}\r\n\r\n${parts.join('')}`,
            'latin1',
          ),
        ),
      fc
        .tuple(fc.constantFrom(...PIECES), fc.nat(20_000))
        .map(([part, times]) =>
          Buffer.from(
            `GET http://a/ HTTP/1.1\r\nA: ${part.repeat(times).slice(0, 40_000)}\r\n\r\n`,
            'latin1',
          ),
        ),
    );
    const asked = fc.sample(fc.record({ bytes, piece: fc.integer({ min: 1, max: 255 }) }), {
      ...{ seed: SEED, numRuns: RUNS },
    });
    const found = readAll(asked);
    expect(found).toHaveLength(RUNS);
    const requests = found.filter(({ verdict }) => verdict === 'request');
    expect(requests.length).toBeGreaterThan(RUNS / 50);
    for (const { target, passed } of requests) {
      const [head = ''] = passed.toString('latin1').split('\r\n\r\n');
      expect(head.match(/^host:/gim)).toHaveLength(1);
      expect(head.match(/^connection: close$/gim)).toHaveLength(1);
      const odd = head
        .split('\r\n')
        .filter((line) => [...line].some((letter) => letter < ' ' && letter !== '\t'));
      expect(odd).toEqual([]);
      expect(target.length).toBeLessThanOrEqual(300);
    }
  });
});
