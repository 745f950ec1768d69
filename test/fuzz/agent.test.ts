/**
 * The agent's readers in C, built with the sanitizers, against hostile bytes and second opinions in TypeScript.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseOwnTail } from '../../src/sandbox/container/answers.ts';
import { readFrames, someFrames } from './frame-reference.ts';
import { readLooseRequests } from './http-reference.ts';
import { type Dice, fuzz, hex, mutate, pieces } from './mutator.ts';

const SOURCES = join(import.meta.dirname, '../../sandbox-images/agent');
/** The harness takes the place of this one. */
const REPLACED = 'server';

/** The sources that a source needs: those of the headers that it includes, and so on. */
const partsOf = (source: string, known = new Set<string>()): ReadonlySet<string> => {
  for (const [, part = ''] of readFileSync(source, 'utf8').matchAll(/^#include "([a-z-]+)\.h"$/gm)) {
    const path = join(SOURCES, `${part}.c`);
    if (known.has(path) || part === REPLACED || !existsSync(path)) continue;
    partsOf(path, known.add(path));
  }
  return known;
};

const FLAGS = [
  ...['-std=c17', '-O1', '-g', '-D_GNU_SOURCE', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  ...['-Wall', '-Wextra', '-I', SOURCES],
];

/** Why the sanitizers cannot be had here, or null. */
const missing = ((): string | null => {
  const tried = spawnSync('gcc', ['-fsanitize=address,undefined', '-x', 'c', '-', '-o', '/dev/null'], {
    input: 'int main(void) { return 0; }',
  });
  return tried.status === 0 ? null : 'no gcc with its sanitizers';
})();

const TEXT_BYTES = 8_192;
const MAX_BODY_BYTES = 4_096;

let folder: string;
beforeAll(() => {
  if (missing !== null) return;
  folder = mkdtempSync(join(tmpdir(), 'strata-fuzz-'));
  const harness = join(import.meta.dirname, 'agent-harness.c');
  execFileSync('gcc', [...FLAGS, '-o', join(folder, 'harness'), harness, ...partsOf(harness)]);
});
afterAll(() => {
  if (missing === null) rmSync(folder, { recursive: true });
});

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** The harness: a line for each case, until a sanitizer ends it. */
class Harness {
  readonly #child = spawn(join(folder, 'harness'), [], { env: { ASAN_OPTIONS: 'detect_leaks=0' } });
  #output = '';
  #stderr = '';
  #wake: () => void = () => undefined;
  #ended = false;

  constructor() {
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#output += text;
      if (text.endsWith('\n')) this.#wake();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** What was read of a case, as fields. */
  async read(kind: string, sent: readonly Buffer[]): Promise<readonly string[]> {
    const parts = sent.flatMap((piece) => [word(piece.length), piece]);
    this.#child.stdin.write(Buffer.concat([word(kind.charCodeAt(0)), word(sent.length), ...parts]));
    while (!this.#output.endsWith('\n')) {
      if (this.#ended) throw new Error(`the agent's code was ended: ${this.#stderr.slice(0, 2_000)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const line = this.#output.slice(0, -1);
    this.#output = '';
    return line.length > 2 ? line.slice(2).split(' ') : [];
  }

  end(): void {
    this.#child.stdin.end();
  }
}

/** Has each case read, and looks at what was read. */
const fuzzAgent = async (
  target: string,
  kind: string,
  runs: number,
  make: (dice: Dice) => Buffer,
  check: (bytes: Buffer, fields: readonly string[]) => void,
): Promise<void> => {
  const harness = new Harness();
  await fuzz(target, runs, async (dice) => {
    const bytes = make(dice);
    const isStream = kind === 'F' || kind === 'H';
    check(bytes, await harness.read(kind, isStream ? pieces(dice, bytes) : [bytes]));
  }).finally(() => harness.end());
};

const bytesOf = (field: string | undefined): Buffer => Buffer.from((field ?? '=').slice(1), 'hex');

const requestText = (dice: Dice): string => {
  const body = dice.pick([
    '',
    '{}',
    'x'.repeat(dice.int(200)),
    'GET /smuggled HTTP/1.1\r\n\r\n',
    '0\r\n\r\n',
  ]);
  const start = dice.pick([
    ...[
      'GET /2018-06-01/runtime/invocation/next',
      'POST /2018-06-01/runtime/invocation/id/response',
      'POST /x?y',
      'PUT /',
    ],
  ]);
  const extra = dice.pick([
    ...[
      '',
      'Lambda-Runtime-Function-Error-Type: E \r\n',
      'Connection: close\r\n',
      'Expect: 100-continue\r\n',
      'X: \t y\r\n',
    ],
  ]);
  const length = `Content-Length: ${dice.pick([body.length, body.length, 5_000, 0])}\r\n`;
  const coding = 'Transfer-Encoding: chunked\r\n';
  const size = dice.pick([
    body.length.toString(16),
    `${body.length.toString(16)};a=b`,
    `0${body.length.toString(16)}`,
  ]);
  const chunks = body === '' ? '0\r\n\r\n' : `${size}\r\n${body}\r\n0\r\n${dice.pick(['', 'A: b\r\n'])}\r\n`;
  const form = dice.int(10);
  if (form < 4) return `${start} HTTP/1.1\r\n${extra}${body === '' ? '' : length}\r\n${body}`;
  if (form < 8) return `${start} HTTP/1.1\r\n${extra}${coding}\r\n${chunks}`;
  return `${start} HTTP/1.1\r\n${extra}${length}${form === 8 ? coding : length}\r\n${body}`;
};

const ERROR_VALUES = [
  '"a"',
  '"\\ud83d\\ude00é"',
  '"\\ud800x"',
  '1',
  'null',
  '{"a":[1]}',
  '["x","y\\n"]',
  '[]',
  '["a",1,"b"]',
  '"\\u0000"',
];
const ERROR_KEYS = ['errorMessage', 'errorType', 'stackTrace', 'other', 'error\\u004dessage'];

const errorText = (dice: Dice): string => {
  const keys = ERROR_KEYS.filter(() => dice.once(2));
  const long = (): string => `"${dice.pick(['é', 'a', '😀', '\\n']).repeat(dice.int(9_000))}"`;
  const value = (): string => (dice.once(40) ? long() : dice.pick(ERROR_VALUES));
  return `{${keys.map((key) => `"${key}"${dice.pick(['', ' '])}:${value()}`).join(dice.pick([',', ' ,\n']))}}`;
};

const cut = (text: string): Buffer => {
  const bytes = Buffer.from(text.toWellFormed());
  let end = Math.min(bytes.length, TEXT_BYTES);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
};

/** An error as JSON.parse has it; null for what is not such an object, or has a member twice. */
const parsedError = (bytes: Buffer): Record<string, unknown> | null => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text) as unknown;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    // Members that come twice are joined by the agent; nobody honest writes them.
    const members = text.match(/"(?:error(?:M|\\u004d)essage|errorType|stackTrace)"/g) ?? [];
    return isObject && new Set(members.map((member) => JSON.parse(member) as string)).size === members.length
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
};

const isUtf8 = (bytes: Buffer): boolean => bytes.equals(Buffer.from(bytes.toString('utf8')));

// Needs gcc with its sanitizers, which not every machine that runs the tests has; the title says so.
describe.skipIf(missing !== null)(
  `the agent's reader${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    it('of frames sees what a second reader sees', async () => {
      const make = (dice: Dice): Buffer => {
        const honest = someFrames(dice);
        return dice.once(5) ? honest : mutate(dice, honest, [someFrames(dice), honest]);
      };
      await fuzzAgent('agent-frame-reader', 'F', 2_500, make, (bytes, fields) => {
        const expected = readFrames(bytes);
        const frames = expected.frames.flatMap(({ type, flags, instance, nonce, numbers, meta, payload }) => [
          ...[type, flags, instance, nonce].map(String),
          ...[numbers.subarray(0, 8), numbers.subarray(8, 16), numbers.subarray(16), meta, payload].map(
            (part) => `=${part.toString('hex')}`,
          ),
        ]);
        const broken = fields.at(-1) === 'broken';
        expect(broken ? fields.slice(0, -1) : fields, hex(bytes)).toEqual(frames);
        // A wrong version is seen in C before the frame is complete.
        if (expected.refusedAt !== null) expect(broken, hex(bytes)).toBe(true);
      });
    });

    it('of HTTP takes no bytes for a request that a second reader takes for a body', async () => {
      const make = (dice: Dice): Buffer => {
        const text = Array.from({ length: 1 + dice.int(3) }, () => requestText(dice)).join('');
        const honest = Buffer.from(text, 'latin1');
        return dice.once(4) ? honest : mutate(dice, honest, [Buffer.from(requestText(dice), 'latin1')]);
      };
      let read = 0;
      await fuzzAgent('agent-http', 'H', 3_000, make, (bytes, fields) => {
        const { messages, end } = readLooseRequests(bytes, MAX_BODY_BYTES);
        const expected = messages.flatMap(({ start, headers, body }) => {
          const [method = '', target = ''] = start.split(' ');
          const path = target.split('?')[0] ?? '';
          const kind = ['GET', 'POST'].find((known) => known === method.toUpperCase()) ?? 'OTHER';
          const type = headers.get('lambda-runtime-function-error-type') ?? '';
          return [
            kind,
            ...[path, type, body].map((text) => `=${Buffer.from(text, 'latin1').toString('hex')}`),
          ];
        });
        const refused = ['bad', 'large'].includes(fields.at(-1) ?? '');
        read += fields.length;
        expect(
          refused ? fields.slice(0, -1) : fields,
          `${end} ${JSON.stringify(bytes.toString('latin1'))}`,
        ).toEqual(expected);
        expect(refused, JSON.stringify(bytes.toString('latin1'))).toBe(end === 'bad');
      });
      expect(read).toBeGreaterThan(0);
    });

    it('of errors agrees with JSON.parse, and what it writes of them the server takes', async () => {
      const make = (dice: Dice): Buffer => {
        const honest = Buffer.from(errorText(dice));
        return dice.once(2)
          ? honest
          : mutate(dice, honest, [Buffer.from(errorText(dice)), Buffer.from('\ud83d')]);
      };
      await fuzzAgent('agent-json', 'J', 1_200, make, (bytes, [isError, ...texts]) => {
        const [type, message, stack] = texts.map(bytesOf);
        for (const text of [type, message, stack])
          expect(text !== undefined && text.length <= TEXT_BYTES && isUtf8(text), hex(bytes)).toBe(true);
        const error = parsedError(bytes);
        if (error === null) return;
        expect(isError, hex(bytes)).toBe('1');
        if (typeof error.errorMessage === 'string')
          expect(message, hex(bytes)).toEqual(cut(error.errorMessage));
        if (typeof error.errorType === 'string') expect(type, hex(bytes)).toEqual(cut(error.errorType));
      });
      await fuzzAgent('agent-failure', 'T', 600, make, (bytes, [field]) => {
        const meta = bytesOf(field);
        expect(isUtf8(meta), hex(bytes)).toBe(true);
        const tail = parseOwnTail(meta.toString('utf8'), 1_000);
        expect(tail.failure?.code, hex(bytes)).toBe('function_error');
        expect(tail.failure?.error?.type, hex(bytes)).not.toBe('');
      });
    });
  },
);
