/**
 * What attacks between tenants are written in: functions for the time of a case, and what is said when one gets through.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FunctionSpecInput } from '../../core/spec.ts';
import { holds } from '../case.ts';
import { problemOf, type Reply, type Target } from '../target.ts';

/** A function for the time of a case. */
export interface Deployed {
  readonly tenant: string;
  readonly name: string;
  readonly source: string;
  readonly spec?: Partial<FunctionSpecInput>;
}

/** Deploys, runs and deletes again, whatever happened. */
export const having = async (
  target: Target,
  functions: readonly Deployed[],
  run: () => Promise<void>,
): Promise<void> => {
  try {
    for (const { tenant, name, source, spec } of functions) {
      const reply = await target.deploy(name, { runtime: 'isolate', code: { source }, ...spec }, tenant);
      holds(reply.status === 201, `${tenant}/${name} was deployed with ${reply.status}: ${shown(reply)}`);
    }
    await run();
  } finally {
    for (const { tenant, name } of functions) await target.delete(name, tenant);
  }
};

export const shown = ({ text }: Reply): string => text.slice(0, 300);

export const answered = (reply: Reply, wanted: unknown, whose: string): void =>
  holds(
    reply.status === 200 && isDeepStrictEqual(reply.json, wanted),
    `${whose} was answered with ${reply.status} ${shown(reply)} instead of ${JSON.stringify(wanted)}`,
  );

export const refused = (reply: Reply, code: string, what: string): void =>
  holds(problemOf(reply)?.code === code, `${what} was answered with ${reply.status} ${shown(reply)}`);

/** A reply without the name that was asked for, and without the id of the request itself. */
export const unnamed = ({ status, text }: Reply, name: string): string =>
  `${status} ${text.replaceAll(name, '…').replace(/"invocationId":"[^"]*"/, '')}`;

export const ECHO = 'exports.handler = (event, context) => [event, context.functionName];';
export const SECRET = 'the-neighbours-secret';
