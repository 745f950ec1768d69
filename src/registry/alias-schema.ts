/**
 * The schema of an alias, as the HTTP API publishes it and the registry checks it.
 *
 * Owns types and numeric bounds. What needs more than one field is checked in `alias-input.ts`.
 */
import { Type } from 'typebox';
import { DESCRIPTION_MAX_LENGTH } from '../core/limits.ts';

export const ALIAS_SCHEMA = Type.Object(
  {
    version: Type.String({ description: 'The version to point to: a number, or `$LATEST`.' }),
    weights: Type.Optional(
      Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1 }), {
        maxProperties: 1,
        default: {},
        description:
          'At most one other version, by its number, with the share of the invocations that it gets. Not with `$LATEST`.',
      }),
    ),
    description: Type.Optional(
      Type.String({ default: '', description: `${DESCRIPTION_MAX_LENGTH} characters at most.` }),
    ),
  },
  { additionalProperties: false, description: 'What an alias is.' },
);
