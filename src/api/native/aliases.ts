/**
 * The routes of aliases: put, read, list, delete.
 *
 * Maps requests to the executor and records to JSON; never decides anything.
 */
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { type StaticDecode, Type } from 'typebox';
import { ALIAS_NAME_PATTERN } from '../../core/limits.ts';
import type { AliasInput, AliasRecord } from '../../core/spec.ts';
import type { Executor } from '../../invocation/api.ts';
import { ALIAS_SCHEMA } from '../../registry/alias-schema.ts';
import { checkAliasName, checkFunctionName } from './names.ts';
import { entityTag, ifMatchOf } from './revisions.ts';
import { CHANGE_HEADERS, described, NAME_PARAMS, PAGE_QUERY, responses, TENANT_HEADERS } from './schemas.ts';
import { tenantOf } from './tenant.ts';

interface Options {
  readonly executor: Executor;
}

interface OneAlias {
  Params: { name: string; alias: string };
}

const ALIASES = '/v1/functions/:name/aliases';
const ALIAS = `${ALIASES}/:alias`;
const ALIAS_PARAMS = Type.Object({
  ...NAME_PARAMS.properties,
  alias: Type.String({ pattern: ALIAS_NAME_PATTERN, description: 'The name of the alias.' }),
});
const ALIAS_ANSWER = described('The alias, with the function, `revision` and its times.');
const tags = ['aliases'];

export const aliasRoutes: FastifyPluginAsync<Options> = async (app, { executor }) => {
  changeRoutes(app, executor);
  readRoutes(app, executor);
};

type App = Parameters<FastifyPluginAsync>[0];

const changeRoutes = (app: App, executor: Executor): void => {
  app.put<OneAlias>(
    ALIAS,
    {
      schema: {
        summary: 'Create an alias, or move it to another version',
        tags,
        params: ALIAS_PARAMS,
        headers: CHANGE_HEADERS,
        body: ALIAS_SCHEMA,
        response: responses({ 200: ALIAS_ANSWER, 201: ALIAS_ANSWER }, [
          ...(['invalid_request', 'forbidden', 'not_found', 'conflict', 'revision_mismatch'] as const),
          ...(['draining', 'storage_full', 'internal_error'] as const),
        ]),
      },
    },
    async (request, reply) => {
      const name = checkFunctionName(request.params.name);
      const changed = await executor.versions.putAlias(
        name,
        checkAliasName(request.params.alias),
        // The registry checks it.
        request.body as AliasInput,
        { tenant: tenantOf(request), ...ifMatchOf(request.headers) },
      );
      return answer(reply.code(changed.created ? 201 : 200), changed.alias);
    },
  );

  app.delete<OneAlias>(
    ALIAS,
    {
      schema: {
        summary: 'Delete an alias',
        tags,
        params: ALIAS_PARAMS,
        headers: CHANGE_HEADERS,
        response: responses({ 204: Type.Null({ description: 'Deleted.' }) }, [
          ...(['invalid_request', 'forbidden', 'not_found', 'revision_mismatch'] as const),
          ...(['draining', 'storage_full'] as const),
        ]),
      },
    },
    async (request, reply) => {
      const { name, alias } = request.params;
      await executor.versions.deleteAlias(checkFunctionName(name), checkAliasName(alias), {
        tenant: tenantOf(request),
        ...ifMatchOf(request.headers),
      });
      return reply.code(204).send();
    },
  );
};

const readRoutes = (app: App, executor: Executor): void => {
  app.get<OneAlias>(
    ALIAS,
    {
      schema: {
        summary: 'Read an alias',
        tags,
        params: ALIAS_PARAMS,
        headers: TENANT_HEADERS,
        response: responses({ 200: ALIAS_ANSWER }, ['invalid_request', 'forbidden', 'not_found']),
      },
    },
    async (request, reply) => {
      const { name, alias } = request.params;
      const tenant = tenantOf(request);
      const found = executor.versions.alias(checkFunctionName(name), checkAliasName(alias), { tenant });
      return answer(reply, found);
    },
  );

  app.get<{ Params: { name: string }; Querystring: StaticDecode<typeof PAGE_QUERY> }>(
    ALIASES,
    {
      schema: {
        summary: 'List the aliases of a function, by name',
        tags,
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: PAGE_QUERY,
        response: responses(
          {
            200: Type.Object({
              aliases: Type.Array(ALIAS_ANSWER),
              nextCursor: Type.Union([Type.String(), Type.Null()]),
            }),
          },
          ['invalid_request', 'forbidden', 'not_found'],
        ),
      },
    },
    async (request) => {
      const name = checkFunctionName(request.params.name);
      const page = executor.versions.aliases(name, { tenant: tenantOf(request), ...request.query });
      return { aliases: page.aliases.map(aliasView), nextCursor: page.nextCursor };
    },
  );
};

const answer = (reply: FastifyReply, alias: AliasRecord): FastifyReply =>
  reply.header('ETag', entityTag(alias.revision)).send(aliasView(alias));

/** The tenant knows who it is. */
const aliasView = ({ tenant: _tenant, ...alias }: AliasRecord): Record<string, unknown> => alias;
