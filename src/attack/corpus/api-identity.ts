/**
 * Requests that pretend to be another tenant's, or to have been vouched for, and what can be learned of others.
 */
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, NEIGHBOUR, type Reply, type Request, type Target } from '../target.ts';
import { isRefusal, refusesRaw, succeeds, withOwn, withPrivate } from '../wire.ts';

const base64url = (text: string): string => Buffer.from(text).toString('base64url');
const NOBODYS_ID = '00000000-0000-4000-8000-000000000000';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Credentials that say that the neighbour asks, as far as each kind can. */
const token = (algorithm: string, signature: string): string =>
  `Bearer ${base64url(JSON.stringify({ alg: algorithm, typ: 'JWT' }))}.${base64url(
    JSON.stringify({ sub: NEIGHBOUR, tenant: NEIGHBOUR, role: 'admin', exp: 9_999_999_999 }),
  )}.${signature}`;
const TOKENS: readonly string[] = [
  token('none', ''),
  token('NONE', ''),
  token('HS256', base64url('x'.repeat(32))),
  token('RS256', base64url('x'.repeat(256))),
  `Basic ${Buffer.from(`${NEIGHBOUR}:admin`).toString('base64')}`,
  'Bearer',
];
const SIGNATURES: Readonly<Record<string, string>> = {
  Authorization: `AWS4-HMAC-SHA256 Credential=${NEIGHBOUR}/20200101/local/strata/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
  'X-Amz-Date': '20200101T000000Z',
  'X-Amz-Security-Token': base64url(NEIGHBOUR),
  Signature: `keyId="${NEIGHBOUR}",signature="${base64url('x'.repeat(64))}"`,
  Date: 'Wed, 01 Jan 2020 00:00:00 GMT',
};
/** By these, proxies tell servers behind them who asks. */
const VOUCHERS: Readonly<Record<string, string>> = {
  'X-Strata-Tenant': NEIGHBOUR,
  'X-Tenant-Id': NEIGHBOUR,
  'X-Forwarded-User': NEIGHBOUR,
  'X-Remote-User': NEIGHBOUR,
  'X-Forwarded-For': '127.0.0.1',
  'X-Forwarded-Host': 'evil.example',
  'X-Real-IP': '127.0.0.1',
  Forwarded: `for=127.0.0.1;host=evil.example;by=${NEIGHBOUR}`,
  Cookie: `tenant=${NEIGHBOUR}; session=admin`,
};

/** What a tenant could get at of a function and an invocation, with what has to differ between two names left out. */
const surveyed = async (
  target: Target,
  { name, invocationId }: { readonly name: string; readonly invocationId: string },
  request: Request = {},
): Promise<readonly string[]> => {
  const asked: readonly (readonly [string, string])[] = [
    ['GET', `/v1/functions/${name}`],
    ['GET', `/v1/functions/${name}/logs`],
    ['POST', `/v1/functions/${name}/invocations`],
    ['POST', `/v1/functions/${name}/invocations?mode=dry-run`],
    ['GET', `/v1/invocations/${invocationId}`],
    ['GET', `/v1/invocations/${invocationId}/logs`],
    ['DELETE', `/v1/functions/${name}`],
  ];
  const seen: string[] = [];
  for (const [method, path] of asked) {
    const reply = await target.request(method, path, {
      ...(method === 'POST' ? { body: '{}' } : {}),
      ...request,
    });
    isRefusal(`${method} ${path}`, reply, { code: 'not_found', status: 404 });
    seen.push(withoutNames(reply, name, invocationId));
  }
  return seen;
};

const withoutNames = ({ text }: Reply, name: string, invocationId: string): string =>
  text
    .replaceAll(name, '<name>')
    .replaceAll(invocationId, '<id>')
    .replace(/"invocationId":"[^"]+"/, '"invocationId":""');

/** @throws Breach unless these headers change nothing about what the attacker gets, whosever it is. */
const changesNothing = async (target: Target, headers: Readonly<Record<string, string>>): Promise<void> => {
  const what = Object.values(headers)[0]?.slice(0, 40) ?? '';
  await withPrivate(target, async (secret) => {
    const without = await surveyed(target, secret);
    const first = await surveyed(target, secret, { headers });
    const replayed = await surveyed(target, secret, { headers });
    for (const seen of [first, replayed])
      holds(seen.join('\n') === without.join('\n'), `${what}: another answer than without`);
  });
  await withOwn(target, 'own-function', async () => {
    const plain = await target.request('GET', '/v1/functions/own-function');
    const forged = await target.request('GET', '/v1/functions/own-function', { headers });
    holds(forged.status === 200 && forged.text === plain.text, `${what}: another answer than without`);
    const called = await target.invoke('own-function', { a: 1 }, { headers });
    holds(called.text === '{"a":1}', `${what}: ${called.text.slice(0, 100)}`);
    holds(
      (await target.receipt(called.invocationId))?.tenant === ATTACKER,
      `${what}: billed to somebody else`,
    );
  });
};

export const API_IDENTITY_CASES: readonly AttackCase[] = [
  {
    ...{ id: 112, group: 'api', name: 'a signed request that is sent again', harmless: true },
    wire: (target) => changesNothing(target, SIGNATURES),
  },
  {
    ...{ id: 113, group: 'api', name: 'tokens without a signature, or with a forged one', harmless: true },
    async wire(target) {
      for (const Authorization of TOKENS) await changesNothing(target, { Authorization });
    },
  },
  {
    ...{
      id: 114,
      group: 'api',
      name: "names and ids of another tenant's functions and invocations",
      harmless: true,
    },
    wire: (target) =>
      withPrivate(target, async (secret) => {
        const theirs = await surveyed(target, secret);
        const nobodys = await surveyed(target, { name: 'no-function-at-all', invocationId: NOBODYS_ID });
        holds(
          theirs.join('\n') === nobodys.join('\n'),
          'what is another tenant’s is answered otherwise than what is not',
        );
        const list = await target.request('GET', '/v1/functions?limit=1000');
        holds(!list.text.includes(secret.name), 'the list names the function of another tenant');
      }),
  },
  {
    ...{ id: 457, group: 'api', name: 'headers by which proxies say who asks', harmless: true },
    wire: (target) => changesNothing(target, VOUCHERS),
  },
  {
    ...{ id: 458, group: 'api', name: 'names of tenants that could be read as another', harmless: true },
    async wire(target) {
      const names = [
        '',
        ' ',
        '.',
        '..',
        '../other',
        'a b',
        'a,b',
        'a;b',
        '%61',
        '*',
        '-a',
        '_a',
        'a/b',
        "a'b",
        '\u00e9',
        'x'.repeat(65),
        '__proto__',
        '$LATEST',
      ];
      for (const tenant of names)
        isRefusal(JSON.stringify(tenant), await target.request('GET', '/v1/functions', { tenant }), {
          ...{ code: 'invalid_request', status: 400 },
          detail: /^The header Strata-Tenant /,
        });
      const two = `GET /v1/functions HTTP/1.1\r\nHost: localhost\r\nStrata-Tenant: ${ATTACKER}\r\nStrata-Tenant: ${NEIGHBOUR}\r\nConnection: close\r\n\r\n`;
      await refusesRaw(target, { 'two tenants': two }, { code: 'invalid_request', status: 400 });
      // Names are told apart by their letters as they are written.
      await withPrivate(target, async ({ name }) => {
        for (const tenant of [
          NEIGHBOUR.toUpperCase(),
          `${NEIGHBOUR}0`,
          NEIGHBOUR.slice(0, -1),
          'constructor',
          'default',
        ])
          isRefusal(tenant, await target.request('GET', `/v1/functions/${name}`, { tenant }), {
            code: 'not_found',
          });
      });
    },
  },
  {
    ...{ id: 459, group: 'api', name: 'cursors of lists, forged', harmless: true },
    wire: (target) =>
      withPrivate(target, async ({ name }) => {
        const page = await target.request('GET', '/v1/functions?limit=1', { tenant: NEIGHBOUR });
        succeeds('the neighbour lists', page);
        const { nextCursor } = page.json as { nextCursor: string | null };
        const cursors = [nextCursor, base64url(name), base64url('0'), base64url('private-functio')];
        for (const cursor of cursors.filter((text) => text !== null)) {
          const reply = await target.request('GET', `/v1/functions?cursor=${cursor}`);
          succeeds(`the cursor ${cursor}`, reply);
          const { functions } = reply.json as { functions: { name: string }[] };
          holds(
            !functions.some((each) => each.name === name),
            `the cursor ${cursor} lists another tenant's function`,
          );
        }
        for (const cursor of ['Li4vLi4vZXRj', '', '%00', base64url('a b'), `${base64url('abc')}=`])
          isRefusal(`the cursor ${cursor}`, await target.request('GET', `/v1/functions?cursor=${cursor}`), {
            ...{ code: 'invalid_request', status: 400 },
          });
      }),
  },
  {
    ...{ id: 424, group: 'api', name: 'ids of invocations, guessed', harmless: true },
    wire: (target) =>
      withOwn(target, 'own-function', async () => {
        const ids = new Set<string>();
        for (let count = 0; count < 20; count += 1)
          ids.add((await target.invoke('own-function')).invocationId);
        holds(ids.size === 20 && [...ids].every((id) => UUID.test(id)), 'ids are not random');
        // They begin with the time, which everybody knows; what follows it must tell nothing of the next.
        const tails = new Set([...ids].map((id) => id.slice(-12, -6)));
        holds(tails.size >= 19, 'ids have a random part in common, so that one tells of the next');
        for (const id of ['..', '%2e%2e', 'a'.repeat(65), '*', '%00', "'%20OR%201=1--"]) {
          const { status } = await target.request('GET', `/v1/invocations/${id}`);
          holds(status === 400 || status === 404, `the id ${id}: ${status}`);
        }
      }),
  },
  {
    ...{ id: 425, group: 'api', name: 'what pools and metrics tell of others', harmless: true },
    wire: (target) =>
      withPrivate(target, async ({ name, invocationId }) => {
        for (const path of ['/v1/pools', '/metrics', '/openapi.json', '/healthz', '/readyz']) {
          const { text } = await target.request('GET', path);
          for (const secret of [name, invocationId, NEIGHBOUR, 'private line'])
            holds(!text.includes(secret), `${path} names ${secret}`);
        }
      }),
  },
];
