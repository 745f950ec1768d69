/**
 * The HTTP client of the CLI: one call, one answer, and problems as errors.
 *
 * Owns turning a problem document into a `ProblemError`; never prints.
 */
import { oneLine, printable } from './text.ts';

/** The server refused, failed or could not be reached. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: string;
  /** What the function threw, when it was the function; already safe for a terminal. */
  readonly stackText: string | null;
  /** When a retry may succeed, where the server says so. */
  readonly retryAfterMs: number | null;

  constructor(code: string, detail: string, more: ProblemDetails = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.stackText = more.stackText ?? null;
    this.retryAfterMs = more.retryAfterMs ?? null;
  }
}

interface ProblemDetails {
  readonly stackText?: string | null;
  readonly retryAfterMs?: number | null;
  readonly cause?: unknown;
}

interface CallOptions {
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export interface Client {
  /** @throws ProblemError for every status of 400 and above, and when the server cannot be reached. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** `call`, with the answer's body parsed. */
  json<T>(method: string, path: string, options?: CallOptions): Promise<T>;
}

export interface ClientOptions {
  readonly url: string;
  readonly tenant: string | undefined;
  /** Sent with every call, where there is one. */
  readonly apiKey?: string | undefined;
  readonly fetch: typeof fetch;
}

export const createClient = (options: ClientOptions): Client => {
  const call: Client['call'] = async (method, path, request = {}) => {
    const url = urlOf(options.url, path, request.query ?? {});
    const headers = {
      ...request.headers,
      ...(options.tenant === undefined ? {} : { 'Strata-Tenant': options.tenant }),
      ...(options.apiKey === undefined ? {} : { Authorization: `Bearer ${options.apiKey}` }),
    };
    const answer = await send(options, url, {
      method,
      headers,
      redirect: 'error',
      ...(request.body === undefined ? {} : { body: request.body as NonNullable<RequestInit['body']> }),
    });
    if (answer.status >= 400) throw problemIn(answer);
    return answer;
  };
  return {
    call,
    json: async <T>(method: string, path: string, request?: CallOptions) => {
      const answer = await call(method, path, request);
      return JSON.parse(answer.body.toString('utf8')) as T;
    },
  };
};

const urlOf = (base: string, path: string, query: NonNullable<CallOptions['query']>): URL => {
  if (!URL.canParse(base) || !/^https?:/.test(base)) {
    throw new ProblemError(
      'invalid_request',
      `${JSON.stringify(base)} is not an http(s) URL; correct --url.`,
    );
  }
  const url = new URL(path, base);
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
  return url;
};

const send = async (options: ClientOptions, url: URL, init: RequestInit): Promise<Answer> => {
  try {
    const response = await options.fetch(url, init);
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  } catch (error) {
    const { cause } = error as { cause?: { code?: string; message?: string } };
    const reason = cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
    const detail = `No answer from ${url.origin} (${reason}); is \`strata serve\` running there?`;
    throw new ProblemError('unreachable', detail, { cause: error });
  }
};

interface ProblemBody {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly retryAfterMs?: unknown;
  readonly error?: { readonly stack?: unknown };
}

const problemIn = (answer: Answer): ProblemError => {
  const body = parseProblem(answer.body.toString('utf8'));
  if (typeof body?.code !== 'string' || typeof body.detail !== 'string') {
    return new ProblemError(
      'unexpected_answer',
      `The server answered ${answer.status} without a problem document.`,
    );
  }
  const { retryAfterMs } = body;
  const stack = body.error?.stack;
  return new ProblemError(oneLine(body.code), printable(body.detail), {
    stackText: typeof stack === 'string' ? printable(stack) : null,
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : null,
  });
};

const parseProblem = (text: string): ProblemBody | null => {
  try {
    return JSON.parse(text) as ProblemBody | null;
  } catch {
    return null;
  }
};
