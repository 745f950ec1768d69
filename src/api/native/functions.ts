/**
 * The routes of functions: deploy, read, delete, list, and their recent logs.
 *
 * Maps requests to the executor and records to JSON; never decides anything.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { type StaticDecode, Type } from 'typebox';
import { StrataError } from '../../core/errors.ts';
import type { FunctionSpecInput } from '../../core/spec.ts';
import type { Executor } from '../../invocation/api.ts';
import { FUNCTION_SPEC_SCHEMA } from '../../registry/spec-schema.ts';
import { functionView } from './function-view.ts';
import { checkFunctionName, checkQualifier } from './names.ts';
import type { BodyLimit } from './problem.ts';
import { entityTag, ifMatchOf } from './revisions.ts';
import {
  CHANGE_HEADERS,
  described,
  LIST_QUERY,
  LOG_LINE,
  LOGS_QUERY,
  NAME_PARAMS,
  QUALIFIER_QUERY,
  responses,
  TENANT_HEADERS,
} from './schemas.ts';
import { tenantOf } from './tenant.ts';

/** What JSON and base64 may add to the code itself, besides the third that base64 always adds. */
const BODY_SLACK_BYTES = 64 * 1024;

const FUNCTION_ANSWER = described(
  'The spec with every default filled in, and `code` as `{ digest, bytes }`.',
);

export interface FunctionRoutesOptions {
  readonly executor: Executor;
  readonly codeMaxBytes: number;
}

type NameRequest = FastifyRequest<{ Params: { name: string } }>;

export const functionRoutes: FastifyPluginAsync<FunctionRoutesOptions> = async (
  app,
  { executor, codeMaxBytes },
) => {
  deployRoute(app, executor, codeMaxBytes);
  readRoutes(app, executor);
  listRoutes(app, executor);
};

type App = Parameters<FastifyPluginAsync>[0];

const deployRoute = (app: App, executor: Executor, codeMaxBytes: number): void => {
  const bodyLimit: BodyLimit = { kind: 'codeBytes', configured: codeMaxBytes };

  app.put<{ Params: { name: string } }>(
    '/v1/functions/:name',
    {
      bodyLimit: Math.ceil((codeMaxBytes * 4) / 3) + BODY_SLACK_BYTES,
      config: { bodyLimit },
      schema: {
        summary: 'Create a function, or update its $LATEST',
        tags: ['functions'],
        params: NAME_PARAMS,
        headers: CHANGE_HEADERS,
        body: FUNCTION_SPEC_SCHEMA,
        response: responses({ 200: FUNCTION_ANSWER, 201: FUNCTION_ANSWER }, [
          'invalid_request',
          'code_invalid',
          'forbidden',
          'conflict',
          'revision_mismatch',
          'payload_too_large',
          'draining',
          'overloaded',
          'runtime_unavailable',
          'storage_full',
          'internal_error',
        ]),
      },
    },
    async (request, reply) => {
      const name = checkFunctionName(request.params.name);
      const tenant = tenantOf(request);
      const spec = { ...specOf(request.body), name, tenant };
      const deployment = await executor.deploy(spec, ifMatchOf(request.headers));
      reply.header('ETag', entityTag(deployment.function.revision));
      return reply.code(deployment.created ? 201 : 200).send(functionView(deployment.function));
    },
  );
};

const readRoutes = (app: App, executor: Executor): void => {
  app.get<{ Querystring: { qualifier?: string } } & { Params: { name: string } }>(
    '/v1/functions/:name',
    {
      schema: {
        summary: 'Read a function',
        tags: ['functions'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: QUALIFIER_QUERY,
        response: responses({ 200: FUNCTION_ANSWER }, ['invalid_request', 'forbidden', 'not_found']),
      },
    },
    async (request, reply) => {
      const { qualifier } = request.query;
      const record = executor.get(checkFunctionName(request.params.name), {
        tenant: tenantOf(request),
        ...(qualifier === undefined ? {} : { qualifier: checkQualifier(qualifier) }),
      });
      reply.header('ETag', entityTag(record.revision));
      return functionView(record);
    },
  );

  app.delete(
    '/v1/functions/:name',
    {
      schema: {
        summary: 'Delete a function with its versions and aliases',
        tags: ['functions'],
        params: NAME_PARAMS,
        headers: CHANGE_HEADERS,
        response: responses({ 204: Type.Null({ description: 'Deleted.' }) }, [
          'invalid_request',
          'forbidden',
          'not_found',
          'revision_mismatch',
          'draining',
          'storage_full',
        ]),
      },
    },
    async (request: NameRequest, reply) => {
      await executor.delete(checkFunctionName(request.params.name), {
        tenant: tenantOf(request),
        ...ifMatchOf(request.headers),
      });
      return reply.code(204).send();
    },
  );
};

const listRoutes = (app: App, executor: Executor): void => {
  app.get<{ Querystring: StaticDecode<typeof LIST_QUERY> }>(
    '/v1/functions',
    {
      schema: {
        summary: 'List functions, by label',
        tags: ['functions'],
        headers: TENANT_HEADERS,
        querystring: LIST_QUERY,
        response: responses(
          {
            200: Type.Object({
              functions: Type.Array(FUNCTION_ANSWER),
              nextCursor: Type.Union([Type.String(), Type.Null()]),
            }),
          },
          ['invalid_request', 'forbidden'],
        ),
      },
    },
    async (request) => {
      const { label, ...paging } = request.query;
      const labels = label === undefined ? {} : { labels: labelsOf(label) };
      const page = executor.list({ tenant: tenantOf(request), ...paging, ...labels });
      return { functions: page.functions.map(functionView), nextCursor: page.nextCursor };
    },
  );

  app.get<{ Params: { name: string }; Querystring: StaticDecode<typeof LOGS_QUERY> }>(
    '/v1/functions/:name/logs',
    {
      schema: {
        summary: 'The newest log lines of a function, oldest first',
        description:
          'To follow a log, ask again with the `cursor` as `after`: at once where there is `more`, else after a while.',
        tags: ['functions'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: LOGS_QUERY,
        response: responses(
          {
            200: Type.Object({
              logs: Type.Array(Type.Object({ ...LOG_LINE.properties, invocationId: Type.String() })),
              cursor: Type.String({ description: 'Pass as `after` for what comes behind these lines.' }),
              gap: Type.Boolean({
                description:
                  'Lines may be missing before the last of these, forgotten before they were asked for.',
              }),
              more: Type.Boolean({ description: 'There are more already.' }),
            }),
          },
          ['invalid_request', 'forbidden', 'not_found'],
        ),
      },
    },
    async (request) =>
      executor.logPage(checkFunctionName(request.params.name), {
        tenant: tenantOf(request),
        ...request.query,
      }),
  );
};

/** The registry checks every field; here only what spreading the body could hide. */
const specOf = (body: unknown): FunctionSpecInput => {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new StrataError('invalid_request', 'The body is not a JSON object; send the spec of the function.');
  }
  for (const field of ['name', 'tenant']) {
    if (Object.hasOwn(body, field)) {
      const place = field === 'name' ? 'path' : 'header Strata-Tenant';
      throw new StrataError(
        'invalid_request',
        `The field "${field}" is unknown; it belongs in the ${place}.`,
      );
    }
  }
  return body as FunctionSpecInput;
};

const labelsOf = (pairs: readonly string[]): Record<string, string> => {
  const labels = new Map<string, string>();
  for (const pair of pairs) {
    const colon = pair.indexOf(':');
    const key = pair.slice(0, colon);
    if (labels.has(key)) {
      throw new StrataError(
        'invalid_request',
        `The label "${key}" is asked for twice; nothing can match both.`,
      );
    }
    labels.set(key, pair.slice(colon + 1));
  }
  return Object.fromEntries(labels);
};
