/**
 * The words that attacks on results are written in: one function that answers in many ways.
 */
import { type Call, type Expectation, file } from '../case.ts';

export const invalid = (detail: RegExp): Expectation => ({ code: 'result_invalid', detail });
export const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

/** One function that answers in many ways, by the name in its event. */
export const each = (expectations: Readonly<Record<string, Expectation>>): readonly Call[] =>
  Object.entries(expectations).map(([kind, expect]) => ({ event: { kind }, expect }));

/** A JavaScript function that returns what these expressions make. */
export const returns = (kinds: Readonly<Record<string, string>>, before = ''): ReturnType<typeof file> =>
  file(`${before}
export const kinds = { ${Object.entries(kinds)
    .map(([kind, expression]) => `${JSON.stringify(kind)}: (event, context) => (${expression})`)
    .join(',\n')} };
exports.handler = (event, context) => kinds[event.kind](event, context);`);

/** The same in Python. */
export const pythonReturns = (
  kinds: Readonly<Record<string, string>>,
  before = '',
): ReturnType<typeof file> =>
  file(`${before}
kinds = {
${Object.entries(kinds)
  .map(([kind, expression]) => `  ${JSON.stringify(kind)}: lambda: ${expression},`)
  .join('\n')}
}
def handler(event, context):
  return kinds[event["kind"]]()
`);

export const NEVER_JSON =
  /^The handler returned a (?:function|symbol|BigInt), which is not JSON; return plain data\.$/;
