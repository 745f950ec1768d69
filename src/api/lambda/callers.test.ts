import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { RequestHead } from '../../accounts/api.ts';
import type { Identity } from '../../core/identity.ts';
import { arrive, refuseUnlessAllowed } from './callers.ts';
import { sha256Of } from './sigv4.ts';

const NOW_MS = Date.UTC(2026, 0, 31, 12, 0, 0);
const BODY = Buffer.from('{"a":1}');
const identityOf = (more: Partial<Identity> = {}): Identity => ({
  bodySha256: null,
  ...{ tenant: 'acme', scopes: new Set(['invoke']), principal: 'key:k', credential: 'signature' },
  ...more,
});

const accountsWith = (isOpen: boolean): Parameters<typeof arrive>[0] => ({
  isOpen,
  identify: () => identityOf({ principal: 'asked', credential: isOpen ? 'open' : 'none' }),
  signingKey: (id) => (id === 'k' ? { secret: 's', identity: () => identityOf() } : null),
});

/** A request signed as botocore signs it, which does not send the hash of the body, or as the others do. */
const signed = (tellsBody: boolean, id = 'k', body: Uint8Array = BODY): RequestHead => {
  const date = '20260131T120000Z';
  const scope = '20260131/us-east-1/lambda/aws4_request';
  const hash = sha256Of(body);
  const headers: Record<string, string> = {
    host: 'localhost',
    ...(tellsBody ? { 'x-amz-content-sha256': hash } : {}),
    'x-amz-date': date,
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `POST\n/2015-03-31/functions/f/invocations\n\n${lines.join('')}\n${names}\n${hash}`;
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest();
  const key = ['20260131', 'us-east-1', 'lambda', 'aws4_request'].reduce<string | Buffer>(hmac, 'AWS4s');
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256Of(canonical)].join('\n')).toString(
    'hex',
  );
  const authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return {
    method: 'POST',
    url: '/2015-03-31/functions/f/invocations',
    headers: { ...headers, authorization },
  };
};

describe('a caller', () => {
  it('who has signed is known before the body where its hash is sent, and behind it otherwise', async () => {
    const told = await arrive(accountsWith(false), signed(true), NOW_MS);
    expect(told.known?.tenant).toBe('acme');
    expect(told.confirm(BODY)).toBe(told.known);
    const later = await arrive(accountsWith(false), signed(false), NOW_MS);
    expect(later.known).toBeNull();
    expect(later.confirm(BODY).tenant).toBe('acme');
  });

  it('whose body is another one than was signed is refused', async () => {
    for (const tellsBody of [true, false]) {
      const arrival = await arrive(accountsWith(false), signed(tellsBody), NOW_MS);
      expect(() => arrival.confirm(Buffer.from('{"a":2}'))).toThrow();
    }
  });

  it('whose key is unknown is refused at once', async () => {
    await expect(arrive(accountsWith(false), signed(false, 'other'), NOW_MS)).rejects.toMatchObject({
      type: 'UnrecognizedClientException',
    });
  });

  it('of a server without keys is asked for no signature', async () => {
    const head = signed(true, 'nobody');
    const { known } = await arrive(accountsWith(true), head, NOW_MS + 1e9);
    expect(known).toMatchObject({ principal: 'asked', credential: 'open' });
  });

  it('without a signature is whom the accounts know', async () => {
    const head = { method: 'GET', url: '/', headers: { authorization: 'Bearer sk_x' } };
    expect((await arrive(accountsWith(false), head, NOW_MS)).known?.principal).toBe('asked');
  });
});

describe('what a caller may do', () => {
  it('is what its scopes say, and nothing for a stranger', () => {
    const typeOf = (identity: Identity, scope: 'deploy' | 'invoke' | 'read'): string | null => {
      try {
        refuseUnlessAllowed(identity, scope, 'Invoke');
        return null;
      } catch (thrown) {
        return (thrown as { type: string }).type;
      }
    };
    expect(typeOf(identityOf(), 'invoke')).toBeNull();
    expect(typeOf(identityOf({ scopes: new Set(['admin']) }), 'deploy')).toBeNull();
    expect(typeOf(identityOf(), 'deploy')).toBe('AccessDeniedException');
    expect(typeOf(identityOf({ credential: 'none' }), 'invoke')).toBe('MissingAuthenticationTokenException');
  });
});
