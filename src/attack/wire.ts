/**
 * What attacks on the server itself check of its answers, and the few requests that they are made of.
 *
 * Owns the reading of raw answers and the checks that several groups share. Knows no case.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { FunctionSpecInput } from '../core/spec.ts';
import { holds } from './case.ts';
import { NEIGHBOUR, problemOf, type Reply, type Target } from './target.ts';

/** One answer out of what came over a connection. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly status?: number;
  readonly detail?: RegExp;
}

/** The smallest function that there is. */
export const PLAIN: FunctionSpecInput = {
  ...{ runtime: 'isolate', memoryMb: 32 },
  code: { source: 'exports.handler = async (event) => event;' },
};

/** All final answers on a connection, in order; the ones before an answer (100 Continue) are left out. */
export const answersIn = (text: string): readonly RawAnswer[] => {
  const answers: RawAnswer[] = [];
  let at = text.indexOf('HTTP/1.1 ');
  while (at !== -1) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) break;
    const head = text.slice(at, end);
    const status = Number(head.slice(9, 12));
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    const body = text.slice(end + 4, end + 4 + length);
    if (status >= 200) answers.push({ status, head, body });
    at = text.indexOf('HTTP/1.1 ', status >= 200 ? end + 4 + length : end + 4);
  }
  return answers;
};

/** The problem that a raw answer holds, as a reply. */
export const replyOf = ({ status, head, body }: RawAnswer): Reply => {
  const headers = new Headers();
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {}
  return { status, headers, text: body, json };
};

/** @throws Breach unless this is exactly that refusal. */
export const isRefusal = (what: string, reply: Reply, { code, status, detail }: Refusal): void => {
  const problem = problemOf(reply);
  const seen = problem === null ? `status ${reply.status}` : problem.code;
  holds(
    problem?.code === code,
    `${what}: answered with ${seen} instead of ${code}: ${reply.text.slice(0, 200)}`,
  );
  holds(status === undefined || reply.status === status, `${what}: the status is ${reply.status}`);
  holds(
    reply.headers.get('content-type') === 'application/problem+json',
    `${what}: the problem is a ${reply.headers.get('content-type')}`,
  );
  holds(
    detail?.test(problem?.detail ?? '') ?? true,
    `${what}: the detail is ${problem?.detail.slice(0, 300)}`,
  );
};

/** Raw requests, each with a name. */
export type RawRequests = Readonly<Record<string, string | Uint8Array>>;

/** @throws Breach unless each of them gets exactly one answer, that refusal, and loses its connection. */
export const refusesRaw = async (target: Target, requests: RawRequests, refusal: Refusal): Promise<void> => {
  for (const [what, bytes] of Object.entries(requests)) isRefusedRaw(what, await target.raw(bytes), refusal);
};

/** The same of requests whose announced body never comes: they are answered before it is missed. */
export const refusesAhead = async (
  target: Target,
  requests: RawRequests,
  refusal: Refusal,
): Promise<void> => {
  for (const [what, bytes] of Object.entries(requests))
    isRefusedRaw(what, await target.raw([bytes, '{'], true, AHEAD_MS), refusal);
};

/** Long enough for an answer, and short beside any time limit of the server. */
const AHEAD_MS = 100;

const isRefusedRaw = (what: string, text: string, refusal: Refusal): void => {
  const answers = answersIn(text);
  const [answer] = answers;
  holds(answer !== undefined, `${what}: closed without an answer`);
  if (answer === undefined) return;
  isRefusal(what, replyOf(answer), refusal);
  holds(answers.length === 1, `${what}: ${answers.length} answers, where one request was refused`);
};

/** @throws Breach unless the answer is a success. */
export const succeeds = (what: string, reply: Reply): void =>
  holds(reply.status >= 200 && reply.status < 300, `${what}: ${reply.status} ${reply.text.slice(0, 200)}`);

/** A function of the neighbour with a receipt and a log line, for as long as `use` takes. */
export const withPrivate = async (
  target: Target,
  use: (secret: { readonly name: string; readonly invocationId: string }) => Promise<void>,
): Promise<void> => {
  const name = 'private-function';
  const code = {
    source: 'exports.handler = async () => { console.log("private line"); return "private"; };',
  };
  succeeds('the neighbour deploys', await target.deploy(name, { ...PLAIN, code }, NEIGHBOUR));
  try {
    const called = await target.invoke(name, {}, { tenant: NEIGHBOUR });
    succeeds('the neighbour calls', called);
    await use({ name, invocationId: called.invocationId });
    const again = await target.invoke(name, {}, { tenant: NEIGHBOUR });
    holds(
      again.json === 'private',
      `the neighbour's function answers ${again.text.slice(0, 100)} afterwards`,
    );
  } finally {
    await target.delete(name, NEIGHBOUR);
  }
};

/** A function of the attacker for as long as `use` takes. */
export const withOwn = async (
  target: Target,
  name: string,
  use: () => Promise<void>,
  spec: FunctionSpecInput = PLAIN,
): Promise<void> => {
  succeeds('the attacker deploys', await target.deploy(name, spec));
  try {
    await use();
  } finally {
    await target.delete(name);
  }
};
