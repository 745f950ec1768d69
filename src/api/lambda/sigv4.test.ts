import { describe, expect, it } from 'vitest';
import { readSignature, type SignedHead, sha256Of, verifySignature } from './sigv4.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const NOW_MS = Date.UTC(2026, 0, 31, 12, 0, 0);
const EMPTY = sha256Of('');

/** Signed by the SDK's own signer, at that time and with that secret. */
const HEAD: SignedHead = {
  method: 'GET',
  url: '/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/aliases?MaxItems=5&FunctionVersion=%24LATEST',
  headers: {
    host: '127.0.0.1:7070',
    'x-amz-date': '20260131T120000Z',
    'x-amz-content-sha256': EMPTY,
    authorization:
      'AWS4-HMAC-SHA256 Credential=keyid/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=b547dcfcb83f874f4ba3cd15f54084c412a0792547a010ea113d96867f8b53f9',
  },
};

const with_ = (headers: Record<string, string | undefined>, more: Partial<SignedHead> = {}): SignedHead => ({
  ...{ ...HEAD, ...more, headers: { ...HEAD.headers, ...headers } },
});

const check = (head: SignedHead, secret = SECRET, bodySha256 = EMPTY): void =>
  verifySignature(readSignature(head, NOW_MS), head, bodySha256, secret);

const typeOf = (run: () => void): string | null => {
  try {
    run();
    return null;
  } catch (thrown) {
    return (thrown as { type: string }).type;
  }
};

describe('a signature', () => {
  it('of the SDK is right, and says whose key made it', () => {
    expect(readSignature(HEAD, NOW_MS)).toMatchObject({ accessKeyId: 'keyid', bodySha256: EMPTY });
    expect(typeOf(() => check(HEAD))).toBeNull();
  });

  it.each([
    ['another secret', HEAD, 'other', EMPTY],
    ['another body', HEAD, SECRET, sha256Of('x')],
    ['another method', with_({}, { method: 'DELETE' }), SECRET, EMPTY],
    ['another path', with_({}, { url: HEAD.url.replace('%3Af/', '%3Ag/') }), SECRET, EMPTY],
    ['another query', with_({}, { url: `${HEAD.url}&Marker=x` }), SECRET, EMPTY],
    ['another host', with_({ host: 'example.com' }), SECRET, EMPTY],
  ])('does not hold for %s', (_what, head, secret, body) => {
    expect(typeOf(() => check(head, secret, body))).toBe('InvalidSignatureException');
  });

  it('holds with the query in another order, which is signed sorted', () => {
    const [path = '', query = ''] = HEAD.url.split('?');
    const url = `${path}?${query.split('&').reverse().join('&')}`;
    expect(typeOf(() => check(with_({}, { url })))).toBeNull();
  });

  it('holds five minutes around its date', () => {
    for (const [shiftMs, type] of [
      [300_000, null],
      [-300_000, null],
      [300_001, 'InvalidSignatureException'],
      [-300_001, 'InvalidSignatureException'],
    ] as const)
      expect(typeOf(() => readSignature(HEAD, NOW_MS + shiftMs))).toBe(type);
  });

  it.each([
    ['no Authorization', { authorization: undefined }],
    ['another scheme', { authorization: 'Bearer sk_x' }],
    ['another service', { authorization: HEAD.headers.authorization?.replace('/lambda/', '/s3/') }],
    ['a date of another day', { 'x-amz-date': '20260130T120000Z' }],
    ['no date', { 'x-amz-date': undefined }],
    ['a date that is none', { 'x-amz-date': '20261399T996199Z' }],
    ['the host unsigned', { authorization: HEAD.headers.authorization?.replace('=host;', '=') }],
    ['a body that is not signed', { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }],
    ['another tenant named behind it', { 'strata-tenant': 'acme' }],
    ['what is asked for unsigned', { 'x-amz-invocation-type': 'Event' }],
    [
      'the body hash unsigned',
      { authorization: HEAD.headers.authorization?.replace('x-amz-content-sha256;', '') },
    ],
  ])('is none with %s', (_what, headers) => {
    expect(typeOf(() => readSignature(with_(headers), NOW_MS))).toMatch(
      /^(?:IncompleteSignature|InvalidSignature)/,
    );
  });
});
