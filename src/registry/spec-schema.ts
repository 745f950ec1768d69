/**
 * The schema of a function's spec, as the HTTP API publishes it and the registry checks it.
 *
 * Owns types, numeric bounds and patterns. Never fills defaults and never checks what needs more than one field;
 * `spec.ts` does. Lengths of free text are checked there too, because this schema language counts characters as
 * readers see them, and one such character can be arbitrarily many bytes.
 */
import { type TSchema, Type } from 'typebox';
import {
  ANNOTATIONS_MAX_BYTES,
  ANNOTATIONS_MAX_ENTRIES,
  ASYNC_BOUNDS,
  type Bound,
  CODE_MAX_FILES,
  CONTAINER_CODE_MAX_FILES,
  DESCRIPTION_MAX_LENGTH,
  ENV_MAX_ENTRIES,
  HANDLER_MAX_LENGTH,
  LABEL_MAX_LENGTH,
  LABELS_MAX_ENTRIES,
  MEMORY_BOUNDS,
  NETWORK_ALLOW_MAX_ENTRIES,
  SPEC_BOUNDS,
  WEBHOOK_MAX_LENGTH,
} from '../core/limits.ts';
import { DELIVERIES, FUNCTION_AUTHS, RUNTIMES } from '../core/spec.ts';

const MEMORY_TEXT = RUNTIMES.map((runtime) => {
  const { min, max } = MEMORY_BOUNDS[runtime];
  return `${min} to ${max} with ${runtime}`;
}).join(', ');
const PROCESS_MODELS = ['resident', 'ephemeral'] as const;
export const DEFAULT_HANDLER = 'index.handler';

const closed = { additionalProperties: false } as const;

const whole = (bound: Bound, description: string) =>
  Type.Integer({ minimum: bound.min, maximum: bound.max, default: bound.default, description });

const handler = (description: string, extra: { default?: string } = {}) =>
  Type.String({ maxLength: HANDLER_MAX_LENGTH, description, ...extra });

const textMap = (maxProperties: number, description: string) =>
  Type.Record(Type.String(), Type.String(), { maxProperties, default: {}, description });

const CODE_SCHEMA = Type.Union(
  [
    Type.Object(
      {
        source: Type.String({
          description: 'One file: `index.js`, `index.py` for python3, `bootstrap` for provided.',
        }),
      },
      closed,
    ),
    Type.Object(
      {
        files: Type.Record(Type.String(), Type.String(), {
          minProperties: 1,
          maxProperties: CODE_MAX_FILES,
          description: 'Text by relative path.',
        }),
      },
      closed,
    ),
    Type.Object(
      {
        zip: Type.String({
          description:
            'A ZIP archive in base64. Text for `isolate`; for the other runtimes any files, at most ' +
            `${CONTAINER_CODE_MAX_FILES} entries, executable as their Unix mode says.`,
        }),
      },
      closed,
    ),
    Type.Object(
      {
        digest: Type.String({
          description:
            'The code that the function has already, by its digest; `conflict` when it has another one.',
        }),
      },
      closed,
    ),
  ],
  { description: 'Exactly one of `source`, `files`, `zip` and `digest`.' },
);

const destination = (description: string, forms: readonly TSchema[]) =>
  Type.Optional(Type.Union([...forms, Type.Null()], { default: null, description }));

const TO_FUNCTION = Type.Object(
  { function: Type.String({ description: '`name` or `name:qualifier`, of the same tenant.' }) },
  closed,
);
const TO_WEBHOOK = Type.Object(
  {
    webhook: Type.String({
      description: `An http or https URL of at most ${WEBHOOK_MAX_LENGTH} characters.`,
    }),
  },
  closed,
);
const TO_DEAD_LETTERS = Type.Object({ deadLetter: Type.Literal(true) }, closed);

const ASYNC_POLICY_SCHEMA = Type.Object(
  {
    maxRetries: Type.Optional(
      whole(ASYNC_BOUNDS.maxRetries, 'Further attempts after one that the function failed.'),
    ),
    maxEventAgeMs: Type.Optional(
      whole(ASYNC_BOUNDS.maxEventAgeMs, 'An event that has not ended by then is given up.'),
    ),
    delivery: Type.Optional(
      Type.Enum([...DELIVERIES], {
        default: 'at-least-once',
        description:
          '`at-most-once` runs an event once and never again, whatever became of it; `at-least-once` may run it again ' +
          'after the server was killed.',
      }),
    ),
    onSuccess: destination('Where the record of one that succeeded goes.', [TO_FUNCTION, TO_WEBHOOK]),
    onFailure: destination('Where the record of one that failed goes; null for the list of dead letters.', [
      ...[TO_FUNCTION, TO_WEBHOOK, TO_DEAD_LETTERS],
    ]),
  },
  { ...closed, description: 'What becomes of asynchronous invocations.' },
);

export const FUNCTION_SPEC_SCHEMA = Type.Object(
  {
    runtime: Type.Enum([...RUNTIMES], { description: 'What runs the code.' }),
    code: CODE_SCHEMA,
    handler: Type.Optional(
      handler(
        '`file.export`, such as `index.handler`. With `provided` any text, which the bootstrap finds in `_HANDLER`; ' +
          '`bootstrap` unless given.',
        { default: DEFAULT_HANDLER },
      ),
    ),
    memoryMb: Type.Optional(whole(SPEC_BOUNDS.memoryMb, `What one instance may use: ${MEMORY_TEXT}.`)),
    timeoutMs: Type.Optional(whole(SPEC_BOUNDS.timeoutMs, 'Wall time of one invocation of the handler.')),
    cpuMs: Type.Optional(whole(SPEC_BOUNDS.cpuMs, 'CPU time of one invocation of the handler.')),
    processModel: Type.Optional(
      Type.Enum([...PROCESS_MODELS], {
        default: 'resident',
        description:
          '`resident` keeps an instance for further invocations, `ephemeral` destroys it after one.',
      }),
    ),
    concurrency: Type.Optional(
      whole(SPEC_BOUNDS.concurrency, 'Invocations that one instance takes at once; 1 with `provided`.'),
    ),
    initializer: Type.Optional(
      Type.Union(
        [handler('`file.export`, run once when an instance loads; not with `provided`.'), Type.Null()],
        {
          default: null,
        },
      ),
    ),
    initTimeoutMs: Type.Optional(whole(SPEC_BOUNDS.initTimeoutMs, 'Wall time of load and initializer.')),
    minInstances: Type.Optional(
      whole(
        SPEC_BOUNDS.minInstances,
        'Instances that are loaded ahead and kept however long they are idle, as far as there is room for them.',
      ),
    ),
    maxInstances: Type.Optional(whole(SPEC_BOUNDS.maxInstances, 'Instances at most.')),
    reservedConcurrency: Type.Optional(
      whole(
        SPEC_BOUNDS.reservedConcurrency,
        'Invocations of this function for which the server keeps room free, out of its limit for all; at most ' +
          '`maxInstances` times `concurrency`.',
      ),
    ),
    idleTimeoutMs: Type.Optional(
      whole(
        SPEC_BOUNDS.idleTimeoutMs,
        'The longest that an instance is kept unused; the policy may keep it for less.',
      ),
    ),
    env: Type.Optional(textMap(ENV_MAX_ENTRIES, 'Environment variables of the function.')),
    labels: Type.Optional(
      textMap(
        LABELS_MAX_ENTRIES,
        `For listing; keys and values have ${LABEL_MAX_LENGTH} characters at most.`,
      ),
    ),
    annotations: Type.Optional(
      textMap(
        ANNOTATIONS_MAX_ENTRIES,
        `Texts that programs keep with a version of a function, ${ANNOTATIONS_MAX_BYTES} bytes together.`,
      ),
    ),
    description: Type.Optional(
      Type.String({ default: '', description: `${DESCRIPTION_MAX_LENGTH} characters at most.` }),
    ),
    network: Type.Optional(
      Type.Object(
        {
          allow: Type.Array(Type.String(), {
            maxItems: NETWORK_ALLOW_MAX_ENTRIES,
            description:
              'Hosts that the function may reach, each with a port: `api.example.com:443`, `*.example.com:443`, `host:*`, ' +
              '`*:443` for any public host, `192.0.2.1:80`, `[2001:db8::1]:443`, and ranges such as `10.0.0.0/8:5432`. ' +
              'Empty for none; only with the runtime `isolate`. Addresses that are not public need the leave of the ' +
              'operator (`egress.privateRanges`).',
          }),
        },
        closed,
      ),
    ),
    async: Type.Optional(ASYNC_POLICY_SCHEMA),
    enabled: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          'False refuses invocations with `function_disabled`, of every version and alias; those that came before go on.',
      }),
    ),
    auth: Type.Optional(
      Type.Enum([...FUNCTION_AUTHS], {
        default: 'key',
        description:
          'What an invocation has to carry at a server that asks for keys: `key` anything that the server takes, ' +
          '`signature` or `jwt` that alone, `none` nothing, so that anybody may invoke the function.',
      }),
    ),
  },
  { ...closed, description: 'What a function is.' },
);
