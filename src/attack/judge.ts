/**
 * Compares what an attack was answered with what it was promised.
 *
 * Owns every comparison and its wording; answers a list of what did not hold, empty when all did. Asks the server
 * nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Receipt } from '../core/receipt.ts';
import type { Attack, Expectation } from './case.ts';
import { type Invoked, problemOf, type Reply } from './target.ts';

/** What no answer may show: paths and names of the host's own. */
const HOST_TRACES =
  /<isolated-vm|within isolated-vm|isolated_vm|node_modules|host\.mjs|\/(?:home|root|usr\/src|work|srv)\//;

export const refusalProblems = (deployed: Reply, refused: Attack['refused']): string[] => {
  const problem = problemOf(deployed);
  if (refused === undefined) return [`the deployment was refused: ${deployed.text.slice(0, 300)}`];
  if (problem?.code !== refused.code)
    return [
      `the deployment was answered with ${problem?.code ?? deployed.status} instead of ${refused.code}`,
    ];
  return refused.detail === undefined || refused.detail.test(problem.detail)
    ? []
    : [`the refusal says ${shown(problem.detail)}`];
};

export const answerProblems = (expect: Expectation, reply: Invoked): string[] => {
  const problem = problemOf(reply);
  const outcome = reply.status === 200 ? 'succeeded' : (problem?.code ?? `status ${reply.status}`);
  const allowed: readonly string[] = typeof expect.code === 'string' ? [expect.code] : expect.code;
  if (!allowed.includes(outcome))
    return [`answered with ${outcome} instead of ${allowed.join(' or ')}: ${reply.text.slice(0, 300)}`];
  const problems: string[] = [];
  if ('result' in expect && outcome === 'succeeded' && !isDeepStrictEqual(reply.json, expect.result))
    problems.push(`the result is ${shown(reply.json)} instead of ${shown(expect.result)}`);
  if (expect.detail !== undefined && problem !== null && !expect.detail.test(problem.detail))
    problems.push(`the detail is ${shown(problem.detail)}`);
  if (expect.limit !== undefined && problem !== null && problem.limit?.kind !== expect.limit)
    problems.push(`the answer names the limit ${problem.limit?.kind ?? 'none'} instead of ${expect.limit}`);
  if (problem !== null && HOST_TRACES.test(reply.text))
    problems.push(`the host shows: ${reply.text.slice(0, 300)}`);
  return problems;
};

export const receiptProblems = (expect: Expectation, receipt: Receipt, reply: Invoked): string[] => {
  const problems: string[] = [];
  const problem = problemOf(reply);
  const code = receipt.error?.code ?? 'succeeded';
  const outcome = reply.status === 200 ? 'succeeded' : problem?.code;
  if (code !== outcome) problems.push(`the receipt says ${code}, the answer ${outcome ?? reply.status}`);
  if (expect.limit !== undefined && problem !== null && receipt.limit?.kind !== expect.limit)
    problems.push(`the receipt names the limit ${receipt.limit?.kind ?? 'none'} instead of ${expect.limit}`);
  const { error } = expect;
  if (error?.type !== undefined && receipt.error?.type !== error.type)
    problems.push(`the function's error is a ${receipt.error?.type ?? 'nothing'} instead of a ${error.type}`);
  if (error?.message !== undefined && !matches(error.message, receipt.error?.message ?? ''))
    problems.push(`the function's error says ${shown(receipt.error?.message)}`);
  if (expect.minCpuMs !== undefined && receipt.usage.cpuMs < expect.minCpuMs)
    problems.push(`${receipt.usage.cpuMs} ms of CPU were charged; at least ${expect.minCpuMs} were used`);
  if (expect.logTruncated !== undefined && receipt.logTruncated !== expect.logTruncated)
    problems.push(`the log is ${receipt.logTruncated ? '' : 'not '}truncated`);
  const { network } = expect;
  if (network?.requests !== undefined && receipt.network.requests !== network.requests)
    problems.push(`the receipt has ${receipt.network.requests} requests instead of ${network.requests}`);
  if (network?.refused !== undefined && receipt.network.refused !== network.refused)
    problems.push(`the receipt has ${receipt.network.refused} refusals instead of ${network.refused}`);
  if (network?.code !== undefined && receipt.network.refusals[0]?.code !== network.code)
    problems.push(
      `the first refusal is ${receipt.network.refusals[0]?.code ?? 'none'} instead of ${network.code}`,
    );
  return problems;
};

/** What is wrong with the log. */
export const logProblems = ({ logs }: Expectation, lines: readonly string[]): string[] => {
  if (logs === undefined) return [];
  const same = lines.length === logs.length && logs.every((wanted, at) => matches(wanted, lines[at] ?? ''));
  return same ? [] : [`the log has ${shown(lines)} instead of ${shown(logs.map(String))}`];
};

const matches = (wanted: string | RegExp, text: string): boolean =>
  typeof wanted === 'string' ? wanted === text : wanted.test(text);

const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 300);
