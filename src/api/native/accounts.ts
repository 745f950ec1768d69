/**
 * The routes of operators for tenants, their keys, and the audit log.
 *
 * Maps requests to the accounts; never decides anything. A key is in an answer once: when it was made.
 */
import type { FastifyPluginAsync } from 'fastify';
import { type StaticDecode, Type } from 'typebox';
import type { Accounts, KeyInput, TenantInput } from '../../accounts/api.ts';
import { StrataError } from '../../core/errors.ts';
import { SCOPES } from '../../core/identity.ts';
import { TENANT_NAME_PATTERN } from '../../core/limits.ts';
import { identityOf } from './access.ts';
import { described, responses } from './schemas.ts';

export interface AccountRoutesOptions {
  readonly accounts: Accounts;
}

type App = Parameters<FastifyPluginAsync>[0];

const REFUSALS = ['invalid_request', 'unauthorized', 'forbidden', 'not_found'] as const;
const TAGS = ['accounts'];
const TENANT_NAME = Type.String({ pattern: TENANT_NAME_PATTERN, description: 'The name of the tenant.' });
const TENANT_PARAMS = Type.Object({ tenant: TENANT_NAME });
const KEY_PARAMS = Type.Object({
  tenant: TENANT_NAME,
  id: Type.String({ description: 'The id of the key: what follows `sk_` in its prefix.' }),
});
const LIMIT = Type.Integer({ minimum: 1, maximum: 1_000, default: 100 });
const closed = { additionalProperties: false } as const;

const TENANT = described('The tenant: its state, its own quotas, and what it has.');
const KEY = described('The key without its secret.');
const NEW_KEY = Type.Object({
  key: KEY,
  secret: Type.String({ description: 'The key itself, shown this once.' }),
  signingSecret: Type.Union([Type.String(), Type.Null()], {
    description: 'For signed requests, shown this once; null for a key that does not sign.',
  }),
});

const quota = Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]));
const TENANT_FIELDS = {
  description: Type.Optional(Type.String()),
  state: Type.Optional(Type.Enum(['active', 'disabled'])),
  quotas: Type.Optional(
    Type.Object(
      { requestsPerSecond: quota, maxInFlight: quota, maxFunctions: quota, maxCodeBytes: quota },
      { ...closed, description: "Null takes the server's value again." },
    ),
  ),
};
const KEY_BODY = Type.Object(
  {
    name: Type.Optional(Type.String({ description: 'For people.' })),
    scopes: Type.Array(Type.Enum([...SCOPES]), { minItems: 1 }),
    expiresAt: Type.Optional(
      Type.Union([Type.String(), Type.Null()], { description: 'ISO 8601; null for never.' }),
    ),
    signing: Type.Optional(Type.Boolean({ default: false, description: 'Whether it may sign requests.' })),
  },
  closed,
);

export const accountRoutes: FastifyPluginAsync<AccountRoutesOptions> = async (app, { accounts }) => {
  tenantRoutes(app, accounts);
  tenantRoute(app, accounts);
  keyRoutes(app, accounts);
  rotateRoute(app, accounts);
  auditRoute(app, accounts);
};

const tenantRoutes = (app: App, accounts: Accounts): void => {
  const query = Type.Object(
    { limit: Type.Optional(LIMIT), cursor: Type.Optional(Type.String({ maxLength: 64 })) },
    closed,
  );
  app.get<{ Querystring: StaticDecode<typeof query> }>(
    '/v1/tenants',
    {
      schema: {
        ...{ summary: 'List tenants', tags: TAGS, querystring: query },
        response: responses(
          {
            200: Type.Object({
              tenants: Type.Array(TENANT),
              nextCursor: Type.Union([Type.String(), Type.Null()]),
            }),
          },
          REFUSALS,
        ),
      },
    },
    async (request) => accounts.listTenants(request.query),
  );

  app.post(
    '/v1/tenants',
    {
      schema: {
        ...{ summary: 'Create a tenant', tags: TAGS },
        body: Type.Object({ name: TENANT_NAME, ...TENANT_FIELDS }, closed),
        response: responses({ 201: TENANT }, [...REFUSALS, 'conflict', 'quota_exceeded', 'storage_full']),
      },
    },
    async (request, reply) => {
      const { name, ...input } = bodyOf(request.body);
      return reply.code(201).send(accounts.createTenant(name as string, input as TenantInput));
    },
  );
};

const tenantRoute = (app: App, accounts: Accounts): void => {
  app.get<{ Params: { tenant: string } }>(
    '/v1/tenants/:tenant',
    {
      schema: {
        ...{ summary: 'Read a tenant', tags: TAGS, params: TENANT_PARAMS },
        response: responses({ 200: TENANT }, REFUSALS),
      },
    },
    async (request) => accounts.tenant(request.params.tenant),
  );

  app.patch<{ Params: { tenant: string } }>(
    '/v1/tenants/:tenant',
    {
      schema: {
        ...{ summary: 'Change, disable or enable a tenant', tags: TAGS, params: TENANT_PARAMS },
        body: Type.Object(TENANT_FIELDS, closed),
        response: responses({ 200: TENANT }, [...REFUSALS, 'conflict', 'storage_full']),
      },
    },
    async (request) => accounts.updateTenant(request.params.tenant, bodyOf(request.body) as TenantInput),
  );

  app.delete<{ Params: { tenant: string } }>(
    '/v1/tenants/:tenant',
    {
      schema: {
        ...{ summary: 'Delete a tenant without functions, and its keys', tags: TAGS, params: TENANT_PARAMS },
        description: 'Its name is not given again.',
        response: responses({ 204: Type.Null({ description: 'Deleted.' }) }, [
          ...REFUSALS,
          'conflict',
          'storage_full',
        ]),
      },
    },
    async (request, reply) => {
      accounts.deleteTenant(request.params.tenant);
      return reply.code(204).send();
    },
  );
};

const keyRoutes = (app: App, accounts: Accounts): void => {
  app.get<{ Params: { tenant: string } }>(
    '/v1/tenants/:tenant/keys',
    {
      schema: {
        ...{ summary: 'List the keys of a tenant', tags: TAGS, params: TENANT_PARAMS },
        response: responses({ 200: Type.Object({ keys: Type.Array(KEY) }) }, REFUSALS),
      },
    },
    async (request) => ({ keys: accounts.listKeys(request.params.tenant) }),
  );

  app.post<{ Params: { tenant: string } }>(
    '/v1/tenants/:tenant/keys',
    {
      schema: {
        ...{ summary: 'Create a key', tags: TAGS, params: TENANT_PARAMS, body: KEY_BODY },
        description: 'The first key of a server ends the time in which it asks for none.',
        response: responses({ 201: NEW_KEY }, [...REFUSALS, 'quota_exceeded', 'storage_full']),
      },
    },
    async (request, reply) => {
      const { principal } = identityOf(request);
      const input = bodyOf(request.body) as unknown as KeyInput;
      return reply.code(201).send(accounts.createKey(request.params.tenant, input, principal));
    },
  );

  app.delete<{ Params: { tenant: string; id: string } }>(
    '/v1/tenants/:tenant/keys/:id',
    {
      schema: {
        ...{ summary: 'Revoke a key', tags: TAGS, params: KEY_PARAMS },
        response: responses({ 200: KEY }, [...REFUSALS, 'storage_full']),
      },
    },
    async (request) => accounts.revokeKey(request.params.tenant, request.params.id),
  );
};

const rotateRoute = (app: App, accounts: Accounts): void => {
  app.post<{ Params: { tenant: string; id: string } }>(
    '/v1/tenants/:tenant/keys/:id/rotate',
    {
      schema: {
        ...{ summary: 'Replace a key by another like it', tags: TAGS, params: KEY_PARAMS },
        body: Type.Object(
          {
            overlapMs: Type.Optional(
              Type.Integer({
                minimum: 0,
                default: 86_400_000,
                description: 'How long the old key holds beside the new one.',
              }),
            ),
          },
          closed,
        ),
        response: responses({ 201: NEW_KEY }, [...REFUSALS, 'conflict', 'quota_exceeded', 'storage_full']),
      },
    },
    async (request, reply) => {
      const { tenant, id } = request.params;
      const options = request.body === undefined ? {} : bodyOf(request.body);
      const { principal } = identityOf(request);
      return reply.code(201).send(accounts.rotateKey(tenant, id, options, principal));
    },
  );
};

const auditRoute = (app: App, accounts: Accounts): void => {
  const query = Type.Object(
    {
      limit: Type.Optional(LIMIT),
      before: Type.Optional(Type.Integer({ minimum: 1, description: 'From `nextBefore`.' })),
      tenant: Type.Optional(TENANT_NAME),
    },
    closed,
  );
  app.get<{ Querystring: StaticDecode<typeof query> }>(
    '/v1/audit',
    {
      schema: {
        ...{ summary: 'Who changed what, the newest first', tags: TAGS, querystring: query },
        response: responses(
          {
            200: Type.Object({
              entries: Type.Array(described('Who, what, when, from where, with what outcome.')),
              nextBefore: Type.Union([Type.Integer(), Type.Null()]),
            }),
          },
          REFUSALS,
        ),
      },
    },
    async (request) => accounts.audit(request.query),
  );
};

const bodyOf = (body: unknown): Record<string, unknown> => {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  throw new StrataError('invalid_request', 'The body is not a JSON object.');
};
