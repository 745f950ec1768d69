/**
 * The egress broker: the heads of requests and answers that it reads, and the process itself under a stream of lies.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/egress/addresses.ts';
import { headJson } from '../../src/egress/broker/answer-head.ts';
import { checkHead } from '../../src/egress/broker/request-head.ts';
import { NetworkError } from '../../src/egress/failures.ts';
import { brokerProcess } from '../../src/egress/process.ts';
import { type ProcessHandle, systemProcesses } from '../../src/ports/processes.ts';
import { FRAME, type Frame, FrameReader, type FrameType } from '../../src/sandbox/protocol/frames.ts';
import {
  NETWORK_FRAME,
  NETWORK_FRAME_MAX_BYTES,
  sendNetworkFrame,
} from '../../src/sandbox/protocol/network-frames.ts';
import { type Dice, fuzz, hex, mutate, pieces } from './mutator.ts';
import { framesOf } from './puppets.ts';

const TYPES = Object.values(NETWORK_FRAME);

const HEAD = {
  method: 'GET',
  url: 'http://a.example:8080/p?q=1',
  headers: [['accept', '*/*']],
  length: null,
};
const URLS = [
  ...[
    'http://127.0.0.1:1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::ffff:127.0.0.1]/',
    'https://user:pw@a.com/',
  ],
  ...[
    'http://a.com:80\\@evil.com/',
    'http://a.com\t.evil.com/',
    'http://a.com%00.evil.com/',
    'ftp://a.com/',
    'http://ａ.com/',
  ],
  ...[
    'http://a.com:0/',
    'http://a.com:99999/',
    'http:a.com',
    'http://a.com/\r\nHost: b',
    'http://a.com./',
    '//a.com',
    '',
  ],
];
const FIELDS = [
  ...[
    ['x', 'y'],
    ['x', 'a\r\nb: c'],
    ['x\r\n', 'y'],
    ['host', 'b'],
    ['Content-Length', '1'],
    ['TRANSFER-ENCODING', 'chunked'],
  ],
  ...[
    ['x', '\u0100'],
    ['', 'y'],
    ['x', '\0'],
    ['a b', 'c'],
    ['x:', 'y'],
    ['expect', '100-continue'],
    ['x', 5],
    ['x'],
  ],
];

const someHead = (dice: Dice): string => {
  const head = {
    ...HEAD,
    method: dice.pick([
      'GET',
      'POST',
      'get',
      'CONNECT',
      'TRACE',
      'A B',
      'GET / HTTP/1.1\r\nX: y',
      '',
      'M'.repeat(300),
    ]),
    url: dice.once(2) ? dice.pick(URLS) : HEAD.url,
    headers: Array.from({ length: dice.int(3) }, () => dice.pick(FIELDS)),
    length: dice.pick([null, 0, 5, -1, 0.5, '5', 2 ** 60]),
  };
  const text = JSON.stringify(dice.once(3) ? HEAD : head);
  return dice.once(3)
    ? mutate(dice, Buffer.from(text), [Buffer.from(JSON.stringify(head))]).toString('utf8')
    : text;
};

describe('the head of a request', () => {
  it('is one request for the host that a parser of URLs sees, or refused', async () => {
    let taken = 0;
    await fuzz('request-head', 6_000, (dice) => {
      const text = someHead(dice);
      try {
        const head = checkHead(text, 2_000);
        taken += 1;
        const { url } = JSON.parse(text) as { url: string };
        const { hostname, port, protocol, pathname, search } = new URL(url);
        const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.replace(/\.$/, '');
        expect(head.host, text).toBe(parseAddress(bare)?.text ?? bare);
        expect(head.port, text).toBe(Number(port) || (protocol === 'https:' ? 443 : 80));
        expect(head.path, text).toBe(pathname + search);
        const lines = [head.method, head.host, head.path, ...head.headers.flat()];
        for (const line of lines) expect(line, text).not.toMatch(/[\r\n\0]|[^\0-\xff]/);
        expect([head.method, head.path].join(''), text).not.toContain(' ');
        for (const [name] of head.headers)
          expect(['host', 'content-length', 'transfer-encoding', 'expect', 'connection']).not.toContain(
            name.toLowerCase(),
          );
      } catch (thrown) {
        if (!(thrown instanceof NetworkError)) throw thrown;
        expect(['ERR_INVALID_REQUEST', 'network_denied', 'network_limit']).toContain(thrown.failure.code);
        expect(thrown.failure.message.length).toBeLessThan(500);
      }
    });
    expect(taken).toBeGreaterThan(0);
  });

  it('of an answer is JSON without what is about the connection, whatever an upstream sends', async () => {
    await fuzz('answer-head', 1_500, (dice) => {
      const raw = Array.from({ length: dice.int(8) }, () =>
        dice.pick([
          Buffer.from('Connection'),
          Buffer.from('x'),
          'Transfer-Encoding',
          dice.bytes(dice.int(20)),
          '',
        ]),
      );
      const json = headJson(200, dice.bytes(5).toString('latin1'), dice.once(9) ? null : raw);
      // Null would say that a head of a few words does not fit into a frame.
      const head = JSON.parse(json ?? 'null') as {
        headers: [string, string][];
      };
      for (const [name, value] of head.headers) {
        expect(['connection', 'transfer-encoding']).not.toContain(name);
        expect(typeof value).toBe('string');
      }
    });
  });
});

/** A real broker, which nobody lets connect anywhere. */
class RealBroker {
  readonly handle: ProcessHandle;
  readonly frames: Frame[] = [];
  #wake: () => void = () => undefined;
  ended = false;

  constructor(handle: ProcessHandle) {
    this.handle = handle;
    const reader = new FrameReader(NETWORK_FRAME_MAX_BYTES, (frame) => void this.frames.push(frame));
    handle.channel.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.#wake();
    });
    void handle.exited.then(() => {
      this.ended = true;
      this.#wake();
    });
  }

  send(bytes: Uint8Array): void {
    this.handle.channel.write(bytes);
  }

  /** Frames until one fits, which comes too; what fits is taken out. */
  async until(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex(fits);
      const [found] = at < 0 ? [] : this.frames.splice(at, 1);
      if (found !== undefined) return found;
      if (this.ended) throw new Error(`the broker has ended: ${this.handle.stderrTail()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const OPTIONS = {
  ...{ privateRanges: [], dnsServers: ['127.0.0.1:9'], maxHeaderBytes: 2_000 },
  ...{ connectTimeoutMs: 1_000, requestTimeoutMs: 20_000 },
};
/** Literal addresses and names that are not listed: nothing is resolved, nothing is connected to. */
const POLICY = JSON.stringify({
  ...{ allow: ['b.example:443', '10.0.0.0/8:*'], maxSentBytes: 5_000, maxReceivedBytes: 5_000 },
  ...{ sentLimit: 5_000, receivedLimit: 5_000 },
});

const ask = (nonce: number, payload: Uint8Array, flags = 0): Buffer =>
  framesOf((writer) =>
    sendNetworkFrame(writer, NETWORK_FRAME.fetch, 0, nonce, { flags, meta: POLICY, payload }),
  );

describe('the broker', () => {
  const process = brokerProcess(systemProcesses, OPTIONS);
  let broker: RealBroker;
  beforeAll(async () => {
    broker = new RealBroker(await process.spawn());
    await broker.until(({ type }) => type === FRAME.ready);
  });
  afterAll(async () => {
    broker.handle.kill();
    await process.release();
  });

  it('answers each request once and lives on, whatever stands in their heads', async () => {
    await fuzz('broker', 400, async (dice, run) => {
      const nonce = 1 + run;
      const strays = framesOf((writer) => {
        for (let count = dice.int(4); count > 0; count -= 1) {
          const number = dice.once(2) ? nonce : 1_000_000 + dice.int(5);
          writer.send((dice.once(2) ? dice.pick(TYPES.slice(1)) : 100) as FrameType, 0, number, {
            ...{ flags: dice.int(2), b: dice.int(5_000), payload: dice.bytes(dice.size(3_000)) },
          });
        }
      });
      const head = Buffer.from(someHead(dice));
      for (const piece of pieces(dice, Buffer.concat([ask(nonce, head, dice.int(2)), strays])))
        broker.send(piece);
      // The server may have taken the request back; what is asked behind it is answered all the same.
      broker.send(ask(500_000 + run, Buffer.from(JSON.stringify(HEAD))));
      const frame = await broker.until((one) => one.nonce === 500_000 + run);
      expect(frame.type, hex(head)).toBe(NETWORK_FRAME.end);
      expect(JSON.parse(frame.meta)).toMatchObject({ code: 'network_denied' });
      const about = broker.frames.splice(0).filter((one) => one.nonce === nonce);
      expect(about.length, hex(head)).toBeLessThanOrEqual(1);
      for (const { meta } of about)
        expect((JSON.parse(meta) as { code: string }).code).not.toBe('internal_error');
    });
    expect(broker.ended).toBe(false);
  });

  it('ends when its stream is broken: what comes behind is never taken for frames', async () => {
    const one = new RealBroker(await process.spawn());
    await one.until(({ type }) => type === FRAME.ready);
    const broken = Buffer.alloc(60);
    broken.writeUInt32LE(NETWORK_FRAME_MAX_BYTES + 1);
    one.send(broken);
    await one.handle.exited;
    expect(one.ended).toBe(true);
  });
});
