/** The keys of accounts: who may call, how much a tenant may have, what is noted of it. */
import { choice, group, optionalText, text, whole } from './nodes.ts';

const GIB = 1024 * 1024 * 1024;

export const AUTH = group('Who may call. Keys themselves are made by `strata keys create`.', {
  mode: choice(
    ['auto', 'required'],
    'auto',
    '`auto` asks for nothing until there is a key or another way to know a caller, and listens on loopback only until ' +
      'then; `required` refuses everybody until there is.',
  ),
  adminKey: optionalText(
    'A key with the scope `admin` that is not stored: `sk_` and 43 to 200 letters, digits, `-` and `_`, at random.',
    { env: 'STRATA_ADMIN_KEY', secret: true },
  ),
  adminKeyFile: optionalText('The file that holds such a key.', { env: 'STRATA_ADMIN_KEY_FILE' }),
  signatureWindowMs: whole(
    300_000,
    [1_000, 900_000],
    'How far the date of a signed request may be from the time of the server.',
  ),
  maxNonces: whole(
    500_000,
    [100, 5_000_000],
    'Signed requests that are remembered for that time, so that none is taken twice; beyond it more are refused with ' +
      '`overloaded`. One tenant may have a quarter of them.',
  ),
  jwtIssuer: optionalText('The `iss` of JSON Web Tokens that are taken; empty for none.'),
  jwtAudience: text('strata', 'The `aud` that they must have.'),
  jwtJwks: optionalText(
    'Where the public keys of the issuer are, as a JWK set: a file, or a URL with https (http on loopback only).',
  ),
  jwtAlgorithms: text(
    'RS256,ES256,EdDSA',
    'The algorithms that are taken, of these three, separated by commas.',
  ),
  jwtTenantClaim: text('tenant', 'The claim that names the tenant.'),
  jwtTenant: optionalText('The tenant of all tokens, in place of a claim.'),
  jwtScopeClaim: text('scope', 'The claim with the scopes: an array, or a text with spaces.'),
  jwtScopePrefix: text(
    'strata:',
    'What stands before the names of scopes in that claim; all others are passed over.',
  ),
  jwtScopes: optionalText('The scopes of a token without that claim, separated by commas; empty for none.'),
  jwtAdmin: choice(['on', 'off'], 'off', 'Whether a token may carry the scope `admin`.'),
  jwtClockToleranceMs: whole(30_000, [0, 300_000], "How far the issuer's clock may be from the server's."),
  jwksCacheMs: whole(
    600_000,
    [1_000, 86_400_000],
    'How long the keys of the issuer, and what was verified by them, hold before they are read again.',
  ),
  jwksTimeoutMs: whole(5_000, [10, 60_000], 'How long reading them from a URL may take.'),
});

export const QUOTAS = group('What one tenant may have, unless its own quotas say otherwise.', {
  requestsPerSecond: whole(
    100_000,
    [1, 1_000_000],
    'Requests in a second, and at once; more are refused with `rate_limit`.',
  ),
  maxFunctions: whole(100_000, [0, 1_000_000], 'Functions; one more is refused with `quota_exceeded`.'),
  maxCodeBytes: whole(
    10 * GIB,
    [0, 1024 * GIB],
    'The code of its functions and of their published versions together, unpacked; more is refused with `quota_exceeded`.',
  ),
});

export const AUDIT = group('The log of control calls: who changed what.', {
  maxEntries: whole(100_000, [1, 10_000_000], 'Entries kept; the oldest go first.'),
  retentionDays: whole(90, [1, 3_650], 'How long they are kept.'),
});
