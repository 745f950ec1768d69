/**
 * The shapes of the native API as JSON Schema: for checking queries and for the OpenAPI document.
 *
 * Owns the schemas and their validator. Bodies are not checked here: the registry checks specs and the sandbox
 * reads events, so that the library refuses exactly what HTTP refuses.
 */
import type { FastifySchemaCompiler } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { ERROR_CATALOGUE, type ErrorCode, StrataError } from '../../core/errors.ts';
import {
  FUNCTION_NAME_PATTERN,
  IDEMPOTENCY_KEY_PATTERN,
  LABEL_MAX_LENGTH,
  MAX_WAIT_MS,
  SESSION_KEY_MAX_LENGTH,
  TENANT_NAME_PATTERN,
} from '../../core/limits.ts';
import { STARTS } from '../../core/receipt.ts';
import { PROBLEM_TYPE } from './problem.ts';

const ERROR_CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];

export const PROBLEM_SCHEMA = Type.Object(
  {
    type: Type.String({ description: '`urn:strata:error:` and the code.' }),
    code: Type.Enum(ERROR_CODES, {
      description: ERROR_CODES.map(
        (code) => `- \`${code}\` (${ERROR_CATALOGUE[code].status}): ${ERROR_CATALOGUE[code].meaning}`,
      ).join('\n'),
    }),
    title: Type.String({ description: 'What the code means.' }),
    status: Type.Integer(),
    detail: Type.String({ description: 'What happened, the value seen, and what to do.' }),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later.' }),
    retryAfterMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'With 429 and 503: when a retry may succeed. `Retry-After` says the same in whole seconds.',
      }),
    ),
    invocationId: Type.Optional(Type.String()),
    limit: Type.Optional(
      Type.Object({
        kind: Type.String(),
        configured: Type.Number(),
        observed: Type.Union([Type.Number(), Type.Null()]),
      }),
    ),
    error: Type.Optional(
      Type.Object(
        { type: Type.String(), message: Type.String(), stack: Type.String() },
        {
          description: "The function's own error, as it was thrown.",
        },
      ),
    ),
  },
  { $id: 'Problem', description: 'Every error of this API.' },
);

export const NAME_PARAMS = Type.Object({
  name: Type.String({ pattern: FUNCTION_NAME_PATTERN, description: 'The name of the function.' }),
});

export const ID_PARAMS = Type.Object({
  id: Type.String({ description: 'From the header `Strata-Invocation-Id`.' }),
});

export const TENANT_HEADERS = Type.Object({
  'Strata-Tenant': Type.Optional(Type.String({ pattern: TENANT_NAME_PATTERN, default: 'default' })),
});

export const CHANGE_HEADERS = Type.Object({
  ...TENANT_HEADERS.properties,
  'If-Match': Type.Optional(
    Type.String({
      description:
        'The `ETag` of what was read: when it is at another revision by now, nothing is changed and the answer is 412.',
    }),
  ),
});

export const INVOKE_HEADERS = Type.Object({
  ...TENANT_HEADERS.properties,
  'Strata-Require-Start': Type.Optional(
    Type.Enum([...STARTS], { description: 'Start exactly from this layer, or answer 412.' }),
  ),
  'Strata-Max-Wait-Ms': Type.Optional(
    Type.Integer({
      minimum: MAX_WAIT_MS.min,
      maximum: MAX_WAIT_MS.max,
      description:
        'The longest wait for an instance, in milliseconds; what cannot begin by then is refused with `queue_timeout`. ' +
        'The bound of the server holds as well.',
    }),
  ),
  'Strata-Session-Key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: SESSION_KEY_MAX_LENGTH,
      description:
        'Of an alias with two versions, requests with the same key get the same one; without a key it is drawn each time.',
    }),
  ),
});

export const IDEMPOTENCY_HEADER = Type.Object({
  'Strata-Idempotency-Key': Type.Optional(
    Type.String({
      pattern: IDEMPOTENCY_KEY_PATTERN,
      description:
        'With `mode=async`: the same key and event bring the same invocation, and no second one; another event is ' +
        'refused. Remembered as long as the invocation is.',
    }),
  ),
});

const QUALIFIER = Type.String({ default: '$LATEST', description: 'A version or an alias.' });

export const QUALIFIER_QUERY = Type.Object(
  { qualifier: Type.Optional(QUALIFIER) },
  { additionalProperties: false },
);

export const INVOKE_QUERY = Type.Object(
  {
    qualifier: Type.Optional(QUALIFIER),
    mode: Type.Optional(
      Type.Enum(['sync', 'async', 'dry-run'], {
        default: 'sync',
        description:
          '`async` answers 202 when the event is on the disk, and runs it later; `dry-run` loads and initialises the ' +
          'code and does not call the handler.',
      }),
    ),
  },
  { additionalProperties: false },
);

const LIMIT = Type.Integer({ minimum: 1, maximum: 1_000, default: 100 });

export const PAGE_QUERY = Type.Object(
  {
    limit: Type.Optional(LIMIT),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'From `nextCursor`.' })),
  },
  { additionalProperties: false },
);

export const QUEUE_LIST_QUERY = Type.Object(
  {
    ...PAGE_QUERY.properties,
    status: Type.Optional(
      Type.Enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'], {
        description: 'Those in this state alone.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const LIST_QUERY = Type.Object(
  {
    ...PAGE_QUERY.properties,
    label: Type.Optional(
      Type.Array(
        Type.String({
          pattern: `^[^:]{1,${LABEL_MAX_LENGTH}}:[^]{0,${LABEL_MAX_LENGTH}}$`,
          description: '`key:value`',
        }),
        { maxItems: 50, description: 'Repeated, every one must match.' },
      ),
    ),
  },
  { additionalProperties: false },
);

export const LOGS_QUERY = Type.Object(
  {
    limit: Type.Optional(LIMIT),
    after: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]{22}$',
        description: 'The `cursor` of an answer: the lines behind it, the oldest first.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const LOG_LINE = Type.Object({
  level: Type.Enum(['debug', 'info', 'warn', 'error']),
  timeMs: Type.Number({ description: 'Milliseconds since the epoch.' }),
  message: Type.String(),
});

/** Something whose fields the core's types describe; the schema only names it. */
export const described = (description: string): TSchema =>
  Type.Object({}, { additionalProperties: true, description });

const RETRY_AFTER = {
  'Retry-After': {
    type: 'integer',
    description: 'Whole seconds, rounded up, after which a retry may succeed; where it may.',
  },
};

/** The `response` part of a route's schema: its success, and the problems it can answer, by status. */
export const responses = (
  success: Readonly<Record<number, TSchema>>,
  codes: readonly ErrorCode[],
): Record<string, unknown> => {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = ERROR_CATALOGUE[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const content = { [PROBLEM_TYPE]: { schema: { $ref: 'Problem#' } } };
  return {
    ...success,
    ...Object.fromEntries(
      [...byStatus].map(([status, list]) => [
        status,
        {
          description: list.map((code) => `\`${code}\`: ${ERROR_CATALOGUE[code].meaning}`).join('\n\n'),
          ...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
          content,
        },
      ]),
    ),
  };
};

/** Every code that an invocation can end with for somebody who reads the answer. */
export const INVOKE_CODES: readonly ErrorCode[] = ERROR_CODES.filter(
  (code) =>
    !['revision_mismatch', 'cancelled', 'quota_exceeded', 'interrupted', 'event_expired'].includes(code),
);

/** Fastify's validator: queries are converted from text and checked; everything else passes (see the header). */
export const queryValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'querystring') return (value: unknown) => ({ value });
  const validator = Compile(schema);
  return (value: unknown) => {
    const converted = validator.Convert(value);
    if (validator.Check(converted)) return { value: converted };
    return { error: queryError(validator.Errors(converted), propertiesOf(schema)) };
  };
};

const propertiesOf = (schema: TSchema): string[] =>
  Object.keys((schema as { properties?: object }).properties ?? {});

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
}

const queryError = (errors: readonly SchemaError[], known: readonly string[]): StrataError => {
  const unknown = errors.find((error) => error.keyword === 'boolean');
  const parameters = `this call takes ${known.join(', ')}`;
  if (unknown !== undefined) {
    const name = unknown.instancePath.slice(1, 65);
    return new StrataError('invalid_request', `The query parameter "${name}" is unknown; ${parameters}.`);
  }
  const [first] = errors;
  const name = first?.instancePath.split('/')[1] ?? '';
  return new StrataError('invalid_request', `The query parameter "${name}" ${first?.message ?? 'is wrong'}.`);
};
