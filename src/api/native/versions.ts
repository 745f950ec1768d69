/**
 * The routes of published versions: publish, list, delete. To read one, functions are read with its qualifier.
 *
 * Maps requests to the executor and records to JSON; never decides anything.
 */
import type { FastifyPluginAsync } from 'fastify';
import { type StaticDecode, Type } from 'typebox';
import { StrataError } from '../../core/errors.ts';
import { DESCRIPTION_MAX_LENGTH } from '../../core/limits.ts';
import type { Executor } from '../../invocation/api.ts';
import { functionView } from './function-view.ts';
import { checkFunctionName, checkQualifier, shown } from './names.ts';
import { entityTag, ifMatchOf } from './revisions.ts';
import { CHANGE_HEADERS, described, NAME_PARAMS, PAGE_QUERY, responses, TENANT_HEADERS } from './schemas.ts';
import { tenantOf } from './tenant.ts';

interface Options {
  readonly executor: Executor;
}

interface Named {
  Params: { name: string };
}

const VERSION_ANSWER = described(
  'The function as it was when the version was published; `code.digest` is the SHA-256 of its code.',
);

const PUBLISH_BODY = Type.Object(
  {
    description: Type.Optional(
      Type.String({
        description: `Of the version; that of the function unless given. ${DESCRIPTION_MAX_LENGTH} characters at most.`,
      }),
    ),
    codeDigest: Type.Optional(
      Type.String({ description: 'Publish only if the code has this digest; else the answer is 412.' }),
    ),
    revision: Type.Optional(
      Type.String({ description: 'Publish only if `$LATEST` is at this revision; the same as `If-Match`.' }),
    ),
  },
  { additionalProperties: false },
);

export const versionRoutes: FastifyPluginAsync<Options> = async (app, { executor }) => {
  publishRoute(app, executor);
  listRoute(app, executor);
  deleteRoute(app, executor);
};

type App = Parameters<FastifyPluginAsync>[0];

const publishRoute = (app: App, executor: Executor): void => {
  app.post<Named>(
    '/v1/functions/:name/versions',
    {
      schema: {
        summary: 'Publish $LATEST as a version that never changes',
        description:
          'Freezes code, configuration and environment under the next number, which is never used again. Where a version ' +
          'has the same content already, the answer is that one, with 200.',
        tags: ['versions'],
        params: NAME_PARAMS,
        headers: CHANGE_HEADERS,
        body: PUBLISH_BODY,
        response: responses({ 200: VERSION_ANSWER, 201: VERSION_ANSWER }, [
          ...(['invalid_request', 'forbidden', 'not_found', 'conflict', 'revision_mismatch'] as const),
          ...(['draining', 'storage_full', 'internal_error'] as const),
        ]),
      },
    },
    async (request, reply) => {
      const name = checkFunctionName(request.params.name);
      const { revision, ...options } = publishOf(request.body);
      const { ifMatch } = ifMatchOf(request.headers);
      if (revision !== undefined && ifMatch !== undefined)
        throw refusal('The revision is given in the body and in If-Match; give it once.');
      const expected = revision === undefined ? ifMatch : [revision];
      const published = await executor.versions.publish(name, {
        tenant: tenantOf(request),
        ...options,
        ...(expected === undefined ? {} : { ifMatch: expected }),
      });
      reply.header('ETag', entityTag(published.function.revision));
      return reply.code(published.created ? 201 : 200).send(functionView(published.function));
    },
  );
};

const listRoute = (app: App, executor: Executor): void => {
  app.get<Named & { Querystring: StaticDecode<typeof PAGE_QUERY> }>(
    '/v1/functions/:name/versions',
    {
      schema: {
        summary: 'List the published versions of a function, by number',
        tags: ['versions'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: PAGE_QUERY,
        response: responses(
          {
            200: Type.Object({
              versions: Type.Array(VERSION_ANSWER),
              nextCursor: Type.Union([Type.String(), Type.Null()]),
            }),
          },
          ['invalid_request', 'forbidden', 'not_found'],
        ),
      },
    },
    async (request) => {
      const name = checkFunctionName(request.params.name);
      const page = executor.versions.list(name, { tenant: tenantOf(request), ...request.query });
      return { versions: page.versions.map(functionView), nextCursor: page.nextCursor };
    },
  );
};

const deleteRoute = (app: App, executor: Executor): void => {
  app.delete<{ Params: { name: string; version: string } }>(
    '/v1/functions/:name/versions/:version',
    {
      schema: {
        summary: 'Delete a published version that no alias points to',
        tags: ['versions'],
        params: Type.Object({
          ...NAME_PARAMS.properties,
          version: Type.String({ description: 'Its number.' }),
        }),
        headers: CHANGE_HEADERS,
        response: responses({ 204: Type.Null({ description: 'Deleted.' }) }, [
          ...(['invalid_request', 'forbidden', 'not_found', 'conflict', 'revision_mismatch'] as const),
          ...(['draining', 'storage_full'] as const),
        ]),
      },
    },
    async (request, reply) => {
      const { name, version } = request.params;
      await executor.versions.delete(checkFunctionName(name), checkQualifier(version), {
        tenant: tenantOf(request),
        ...ifMatchOf(request.headers),
      });
      return reply.code(204).send();
    },
  );
};

interface Publish {
  readonly description?: string;
  readonly codeDigest?: string;
  readonly revision?: string;
}

const PUBLISH_FIELDS = Object.keys(PUBLISH_BODY.properties);

/** No body is an empty one. */
const publishOf = (body: unknown): Publish => {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body))
    throw refusal('The body is not a JSON object; leave it out, or send the options of the version.');
  for (const [field, value] of Object.entries(body)) {
    if (!PUBLISH_FIELDS.includes(field))
      throw refusal(`The field ${shown(field)} is unknown; this call takes ${PUBLISH_FIELDS.join(', ')}.`);
    if (typeof value !== 'string') throw refusal(`${field}: must be a string; seen ${typeof value}.`);
  }
  return body;
};

const refusal = (detail: string): StrataError => new StrataError('invalid_request', detail);
