/**
 * Bodies, queries and media types that are read differently than they look: by the server, or by whatever it hands them to.
 */
import { type AttackCase, holds, js, onBothNodes, python } from '../case.ts';
import type { Target } from '../target.ts';
import { isRefusal, type Refusal, succeeds, withOwn } from '../wire.ts';

const NAME = 'read-strictly';
const BAD: Refusal = { code: 'invalid_request', status: 400 };
const CODE = '"code":{"source":"exports.handler = () => 1"}';

const encoded = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));

/** @throws Breach unless each body is refused, and none of them made a function. */
const refusesSpecs = async (
  target: Target,
  bodies: Readonly<Record<string, string | Uint8Array>>,
  refusal: Refusal = BAD,
): Promise<void> => {
  for (const [what, body] of Object.entries(bodies))
    isRefusal(what, await target.request('PUT', `/v1/functions/${NAME}`, { body }), refusal);
  const { status } = await target.request('GET', `/v1/functions/${NAME}`);
  holds(status === 404, `a refused spec made a function: ${status}`);
};

const spec = (fields: string): string => `{"runtime":"isolate",${CODE},${fields}}`;
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const PROTO_EVENT: unknown = JSON.parse(
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":null}}',
);
const PROTO_RESULT = { polluted: 'undefined', own: ['__proto__', 'constructor', 'a'] };

export const API_JSON_CASES: readonly AttackCase[] = [
  {
    ...{ id: 111, group: 'api', name: 'keys that are there twice, or name a prototype', harmless: true },
    async wire(target) {
      await refusesSpecs(
        target,
        {
          twice: spec('"memoryMb":32,"memoryMb":1024'),
          'twice, once escaped': spec('"memoryMb":32,"memory\\u004db":1024'),
          'twice below': spec('"env":{"A":"1","A":"2"}'),
          'the runtime twice': `{"runtime":"isolate","runtime":"nodejs24",${CODE}}`,
        },
        { ...BAD, detail: /^The key ".+" occurs twice in one object/ },
      );
      await refusesSpecs(
        target,
        {
          __proto__: spec('"__proto__":{"memoryMb":1024}'),
          '__proto__, escaped': spec('"\\u005f_proto__":{"memoryMb":1024}'),
          constructor: spec('"labels":{"constructor":"x"}'),
          prototype: spec('"env":{"prototype":"x"}'),
          'in a value that is unknown': spec('"x":[{"__proto__":1}]'),
        },
        { ...BAD, detail: /^The key "(?:__proto__|constructor|prototype)" is not allowed in a body/ },
      );
      await refusesSpecs(target, { name: spec('"name":"other"'), tenant: spec('"tenant":"other"') });
    },
  },
  {
    ...{ id: 449, group: 'api', name: 'an event whose keys name a prototype', harmless: true },
    attacks: {
      ...onBothNodes({
        code: js('return { polluted: typeof ({}).polluted, own: Object.keys(event) };'),
        calls: [{ event: PROTO_EVENT, expect: { code: 'succeeded', result: PROTO_RESULT } }],
      }),
      python3: {
        code: python('return {"polluted": "undefined", "own": list(event)}'),
        calls: [{ event: PROTO_EVENT, expect: { code: 'succeeded', result: PROTO_RESULT } }],
      },
    },
  },
  {
    ...{
      id: 450,
      group: 'api',
      name: 'bodies that nest too deeply, or have too many values',
      harmless: true,
    },
    async wire(target) {
      const deep = { ...BAD, detail: /^The body nests deeper than \d+ levels/ };
      const many = { ...BAD, detail: /^The body has more than \d+ values/ };
      await refusesSpecs(target, { arrays: nested(100_000), 'half of them': '['.repeat(1_000_000) }, deep);
      await refusesSpecs(target, { objects: '{"a":'.repeat(50_000) }, deep);
      await refusesSpecs(
        target,
        { values: `[${'1,'.repeat(1_000_000)}1]`, keys: `{${'"a":1,'.repeat(30_000)}` },
        many,
      );
    },
  },
  {
    ...{ id: 451, group: 'api', name: 'an event that nests too deeply', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const path = `/v1/functions/${NAME}/invocations`;
        const deep = await target.request('POST', path, { body: nested(20_000) });
        // How deep an event may be is the sandbox's to say; it says so and lives on.
        holds(
          [200, 400, 502].includes(deep.status),
          `20,000 levels: ${deep.status} ${deep.text.slice(0, 200)}`,
        );
        const next = await target.invoke(NAME, [1]);
        holds(next.text === '[1]', `afterwards: ${next.text.slice(0, 100)}`);
      }),
  },
  {
    ...{ id: 452, group: 'api', name: 'texts that are not Unicode', harmless: true },
    async wire(target) {
      const start = spec('"description":"').slice(0, -2).concat('"');
      await refusesSpecs(
        target,
        {
          'an overlong slash': encoded(start, [0xc0, 0xaf], '"}'),
          'an overlong NUL': encoded(start, [0xe0, 0x80, 0x80], '"}'),
          'half a surrogate pair in UTF-8': encoded(start, [0xed, 0xa0, 0x80], '"}'),
          'beyond Unicode': encoded(start, [0xf4, 0x90, 0x80, 0x80], '"}'),
          'a cut character': encoded(start, [0xe2, 0x82], '"}'),
          'UTF-16': Buffer.from(`\ufeff${spec('"env":{}')}`, 'utf16le'),
          'Latin-1': encoded(start, [0xe9], '"}'),
        },
        { ...BAD, detail: /^The body is not UTF-8 text/ },
      );
      await refusesSpecs(target, {
        'a control character': spec('"description":"a\nb"'),
        'a NUL between values': `{"runtime":"isolate",\0${CODE}}`,
        'half a surrogate pair in a label': spec('"labels":{"a":"\\ud800"}'),
      });
      await refusesSpecs(
        target,
        { 'half a surrogate pair in the code': '{"runtime":"isolate","code":{"source":"\'\\ud800\'"}}' },
        { code: 'code_invalid', status: 400, detail: /half a surrogate pair/ },
      );
    },
  },
  {
    ...{ id: 453, group: 'api', name: 'numbers out of range', harmless: true },
    async wire(target) {
      const numbers = {
        infinite: '1e400',
        'below zero': '-1',
        'below zero and infinite': '-1e400',
        zero: '0',
        'minus zero': '-0',
        'a fraction': '32.5',
        'nearly nothing': '5e-324',
        'more than is exact': '9007199254740993',
        text: '"32"',
        true: 'true',
        'an array of one': '[32]',
        nothing: 'null',
      };
      for (const field of ['memoryMb', 'timeoutMs', 'cpuMs', 'concurrency', 'maxInstances'])
        await refusesSpecs(
          target,
          Object.fromEntries(
            Object.entries(numbers).map(([what, text]) => [`${field} ${what}`, spec(`"${field}":${text}`)]),
          ),
          { ...BAD, detail: new RegExp(`^${field}: `) },
        );
      await refusesSpecs(
        target,
        { hexadecimal: spec('"memoryMb":0x20'), NaN: spec('"memoryMb":NaN'), plus: spec('"memoryMb":+32') },
        { ...BAD, detail: /^The body is not JSON: / },
      );
    },
  },
  {
    ...{ id: 454, group: 'api', name: 'media types and codings that promise another body', harmless: true },
    async wire(target) {
      await withOwn(target, NAME, async () => {
        const path = `/v1/functions/${NAME}/invocations`;
        const types = [
          'text/html; charset=utf-7',
          'application/xml',
          'multipart/form-data; boundary=x',
          `text/${'a'.repeat(8_000)}`,
        ];
        for (const type of types) {
          const headers = {
            'Content-Type': type,
            Accept: 'text/html, image/*;q=0.1',
            'Accept-Encoding': 'gzip, br',
          };
          const reply = await target.request('POST', path, { headers, body: '{"a":1}' });
          holds(
            reply.text === '{"a":1}',
            `${type.slice(0, 40)}: ${reply.status} ${reply.text.slice(0, 100)}`,
          );
          holds(
            reply.headers.get('content-type') === 'application/json',
            `${type.slice(0, 40)}: not answered as JSON`,
          );
          holds(reply.headers.get('content-encoding') === null, 'the answer is packed');
        }
        isRefusal(
          'no type at all',
          await target.request('POST', path, { headers: { 'Content-Type': ';;;' }, body: '{}' }),
          BAD,
        );
        // What is packed is not unpacked, so that it cannot be a bomb.
        for (const coding of ['gzip', 'deflate', 'br', 'zstd']) {
          const headers = { 'Content-Encoding': coding };
          const packed = Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0]);
          isRefusal(coding, await target.request('POST', path, { headers, body: packed }), BAD);
        }
        const scripted = await target.request('POST', path, { body: '"<script>alert(1)</script>"' });
        holds(scripted.headers.get('content-type') === 'application/json', 'a result is given out as a page');
      });
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
        isRefusal(
          type,
          await target.request('PUT', `/v1/functions/${NAME}`, {
            headers: { 'Content-Type': type },
            body: 'runtime=isolate',
          }),
          { ...BAD, detail: /^The body is not JSON: / },
        );
    },
  },
  {
    ...{ id: 455, group: 'api', name: 'queries that ask for more, or twice', harmless: true },
    async wire(target) {
      await withOwn(target, NAME, async () => {
        const invocations = `/v1/functions/${NAME}/invocations`;
        const queries = [
          'mode=sync&mode=dry-run',
          'qualifier=a&qualifier=b',
          'mode[]=sync',
          '__proto__=1',
          '__proto__[mode]=x',
          'constructor=1',
          'qualifier=%00',
          'qualifier=..',
          'tenant=other',
          'mode=%',
        ];
        for (const query of queries)
          isRefusal(query, await target.request('POST', `${invocations}?${query}`, { body: '{}' }), BAD);
        for (const query of [
          'limit=-1',
          'limit=1e9',
          'limit=1&limit=2',
          'tenant=other',
          '__proto__=1',
          'cursor=',
          `cursor=${'x'.repeat(513)}`,
          'label=a',
          'cursor=Li4vLi4vZXRj',
          `cursor=${encodeURIComponent("' OR 1=1 --")}`,
        ])
          isRefusal(query, await target.request('GET', `/v1/functions?${query}`), BAD);
        const injected = await target.request(
          'GET',
          `/v1/functions?label=${encodeURIComponent("a:' OR '1'='1")}`,
        );
        succeeds('a label with a quote', injected);
        holds(
          (injected.json as { functions: unknown[] }).functions.length === 0,
          'a label with a quote matches',
        );
      });
    },
  },
  {
    ...{ id: 456, group: 'api', name: 'events that are not JSON', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const events: Readonly<Record<string, string | Uint8Array>> = {
          'half of one': '{"a":',
          'two of them': '{"a":1}{"b":2}',
          'one and something': '{} x',
          'a number that is none': 'NaN',
          'small quotes': "{'a':1}",
          'a comma too many': '[1,]',
          'a NUL': '{"a":1}\0',
          'a call': 'alert(1)',
          'an overlong quote': encoded('{"a":"', [0xc0, 0xa2], '"}'),
          'half a surrogate pair in UTF-8': encoded('"', [0xed, 0xa0, 0x80], '"'),
        };
        for (const [what, body] of Object.entries(events))
          isRefusal(what, await target.request('POST', `/v1/functions/${NAME}/invocations`, { body }), BAD);
        const next = await target.invoke(NAME, [1]);
        holds(next.text === '[1]', `afterwards: ${next.text.slice(0, 100)}`);
      }),
  },
];
