/**
 * One request over HTTP and what became of it, judged.
 *
 * Owns the verdict: right, a typed error, no answer because the connection ended, or wrong. Never retries. Invariant:
 * whatever is not exactly one of the first three is wrong, and so is a request without an answer after `ANSWER_LIMIT_MS`.
 */
import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { Event, Kind } from './kinds.ts';

export interface Ask {
  readonly url: string;
  readonly agent: http.Agent;
  readonly kind: Kind;
  readonly tenant: string;
  readonly event: Event;
}

export type Verdict =
  | { readonly as: 'right'; readonly id: string; readonly code: 'succeeded' | 'function_error' }
  /** The platform said so, with a code of its catalogue. */
  | { readonly as: 'error'; readonly id: string; readonly code: string; readonly detail: string }
  /** The connection ended before the answer did. */
  | { readonly as: 'cut'; readonly reason: string }
  | { readonly as: 'wrong'; readonly reason: string };

/** Longer than everything that the server may wait for; who has no answer then has lost it. */
const ANSWER_LIMIT_MS = 30_000;

export const ask = async ({ url, agent, kind, tenant, event }: Ask): Promise<Verdict> => {
  const path = `/v1/functions/${kind.name}/invocations`;
  const answer = await post(agent, `${url}${path}`, { 'Strata-Tenant': tenant }, JSON.stringify(event));
  if (typeof answer === 'string')
    return answer === SILENT ? { as: 'wrong', reason: answer } : { as: 'cut', reason: answer };
  return judge(answer, kind.expected(event, tenant));
};

interface Answer {
  readonly status: number;
  readonly id: string;
  readonly text: string;
}

const judge = ({ status, id, text }: Answer, expected: ReturnType<Kind['expected']>): Verdict => {
  const wrong = (why: string): Verdict => ({
    as: 'wrong',
    reason: `${why}: ${status} ${text.slice(0, 500)} (${id})`,
  });
  if (id === '') return wrong('an answer without an id');
  const body = parsed(text);
  if (body === undefined) return wrong('not JSON');
  if (status === 200) {
    if ('result' in expected && isDeepStrictEqual(body, expected.result))
      return { as: 'right', id, code: 'succeeded' };
    const { lost } = body as { lost?: unknown };
    // A function that was told so about its request to the network says it as its result.
    if (typeof lost === 'string') return { as: 'error', id, code: lost, detail: text };
    return wrong(`expected ${JSON.stringify(expected).slice(0, 500)}`);
  }
  const { code, detail, error } = body as { code?: string; detail?: string; error?: { message?: string } };
  if (typeof code !== 'string' || typeof detail !== 'string') return wrong('a failure without a code');
  if ('code' in expected && code === expected.code)
    return error?.message === expected.message ? { as: 'right', id, code } : wrong('another error');
  return { as: 'error', id, code, detail };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const SILENT = `no answer after ${ANSWER_LIMIT_MS} ms`;

/** The answer, or why there is none. */
const post = (
  agent: http.Agent,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Answer | string> =>
  new Promise((resolve) => {
    const request = http.request(url, { method: 'POST', agent, headers });
    const limit = setTimeout(() => {
      resolve(SILENT);
      request.destroy();
    }, ANSWER_LIMIT_MS);
    const end = (answer: Answer | string): void => {
      clearTimeout(limit);
      resolve(answer);
    };
    request.on('error', ({ message }) => end(message));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', ({ message }) => end(message));
      response.on('end', () =>
        end({
          status: response.statusCode ?? 0,
          id: String(response.headers['strata-invocation-id'] ?? ''),
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.end(body);
  });
