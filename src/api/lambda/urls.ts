/**
 * The operations of function URLs; `url-requests.ts` serves what they configure.
 */
import {
  functionOf,
  type LambdaCall,
  type LambdaParts,
  NO_CONTENT,
  type Operation,
  ok,
  placeOf,
} from './call.ts';
import { notFound, resourceConflict, violated } from './errors.ts';
import { Fields, required } from './fields.ts';
import { arnOf, type FunctionReference } from './names.ts';
import { slice } from './pages.ts';

export interface UrlConfig {
  readonly id: string;
  readonly authType: 'NONE' | 'AWS_IAM';
  readonly invokeMode: 'BUFFERED' | 'RESPONSE_STREAM';
  readonly cors?: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** What the path of a URL begins with. */
export const URL_PREFIX = '/lambda-url/';

const ID_CHARS = 32;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const ALIAS = /^(?!\$LATEST$|\d+$)/;

export const createUrl: Operation = (call, parts) => {
  const { owner, reference, config } = configOf(call, parts);
  const fields = new Fields(call.body);
  const authType = required(fields.oneOf('AuthType', ['NONE', 'AWS_IAM']), 'authType');
  if (config !== null)
    throw resourceConflict(
      `Failed to create function url config for [functionArn = ${reference.arn}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
    );
  const now = new Date(parts.clock.wallMs()).toISOString();
  const made: UrlConfig = {
    id: newId(parts),
    authType,
    invokeMode: fields.oneOf('InvokeMode', ['BUFFERED', 'RESPONSE_STREAM']) ?? 'BUFFERED',
    ...corsOf(fields),
    ...{ createdAt: now, updatedAt: now },
  };
  parts.settings.put(owner, 'url', reference.qualifier ?? '', made);
  return { status: 201, body: viewOf(call, parts, owner.name, reference.qualifier ?? '', made) };
};

export const getUrl: Operation = (call, parts) => {
  const { owner, reference, config } = configOf(call, parts);
  if (config === null) throw missing();
  return ok(viewOf(call, parts, owner.name, reference.qualifier ?? '', config));
};

export const updateUrl: Operation = (call, parts) => {
  const { owner, reference, config } = configOf(call, parts);
  if (config === null) throw missing();
  const fields = new Fields(call.body ?? {});
  const changed: UrlConfig = {
    ...config,
    authType: fields.oneOf('AuthType', ['NONE', 'AWS_IAM']) ?? config.authType,
    invokeMode: fields.oneOf('InvokeMode', ['BUFFERED', 'RESPONSE_STREAM']) ?? config.invokeMode,
    ...corsOf(fields),
    updatedAt: new Date(parts.clock.wallMs()).toISOString(),
  };
  parts.settings.put(owner, 'url', reference.qualifier ?? '', changed);
  return ok(viewOf(call, parts, owner.name, reference.qualifier ?? '', changed));
};

export const deleteUrl: Operation = (call, parts) => {
  const { owner, reference, config } = configOf(call, parts);
  if (config === null) throw missing();
  parts.settings.remove(owner.id, 'url', reference.qualifier ?? '');
  return NO_CONTENT;
};

export const listUrls: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const owner = parts.executor.get(name, { tenant });
  const { items, next } = slice(call, 50, parts.settings.list(owner.id, 'url'), ({ qualifier }) => qualifier);
  const views = items.map(({ qualifier, value }) => viewOf(call, parts, name, qualifier, value as UrlConfig));
  return ok({ FunctionUrlConfigs: views, ...next });
};

const configOf = (call: LambdaCall, parts: LambdaParts) => {
  const reference: FunctionReference = functionOf(call, parts);
  const { tenant, name, qualifier } = reference;
  if (qualifier !== null && !ALIAS.test(qualifier))
    throw violated(qualifier, 'qualifier', 'Member must be the name of an alias');
  const owner = parts.executor.get(name, { tenant });
  if (qualifier !== null) parts.executor.get(name, { tenant, qualifier });
  const config = parts.settings.get(owner.id, 'url', qualifier ?? '') as UrlConfig | undefined;
  return { owner, reference, config: config ?? null };
};

const missing = () => notFound('The resource you requested does not exist.');

/** Not to be guessed: with `NONE` whoever knows it may call. */
const newId = ({ random }: LambdaParts): string =>
  Array.from(random.bytes(ID_CHARS), (byte) => LETTERS[byte & 31] ?? '').join('');

const corsOf = (fields: Fields): { readonly cors?: Readonly<Record<string, unknown>> } => {
  const given = fields.object('Cors');
  if (given === undefined) return {};
  const lists = ['AllowHeaders', 'AllowMethods', 'AllowOrigins', 'ExposeHeaders'].flatMap((name) => {
    const values = given.texts(name);
    return values === undefined ? [] : [[name, values.slice(0, 100)]];
  });
  const maxAge = given.whole('MaxAge', 0, 86_400);
  const credentials = given.flag('AllowCredentials');
  return {
    cors: {
      ...Object.fromEntries(lists),
      ...(maxAge === undefined ? {} : { MaxAge: maxAge }),
      ...(credentials === undefined ? {} : { AllowCredentials: credentials }),
    },
  };
};

const viewOf = (
  call: LambdaCall,
  parts: LambdaParts,
  name: string,
  qualifier: string,
  config: UrlConfig,
): object => ({
  FunctionUrl: `${call.origin}${URL_PREFIX}${config.id}/`,
  FunctionArn: arnOf(placeOf(call, parts), name, qualifier === '' ? null : qualifier),
  AuthType: config.authType,
  ...(config.cors === undefined ? {} : { Cors: config.cors }),
  CreationTime: config.createdAt,
  LastModifiedTime: config.updatedAt,
  InvokeMode: config.invokeMode,
});
