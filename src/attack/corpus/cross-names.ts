/**
 * Attacks of one tenant on another through names: functions, paths, tenants, and what claims to be one of them.
 */
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, NEIGHBOUR } from '../target.ts';
import { answered, ECHO, having, refused, SECRET, shown, unnamed } from './having.ts';

export const NAME_CASES: readonly AttackCase[] = [
  {
    id: 317,
    group: 'cross',
    name: 'functions of another tenant: read, listed, called, replaced, deleted',
    harmless: true,
    wire: async (target) => {
      const name = 'cross-private';
      const source = `exports.handler = () => { console.log('${SECRET}'); return '${SECRET}'; };`;
      const spec = { env: { SECRET }, labels: { owner: 'neighbour' }, description: SECRET };
      await having(target, [{ tenant: NEIGHBOUR, name, source, spec }], async () => {
        const call = () => target.invoke(name, {}, { tenant: NEIGHBOUR });
        answered(await call(), SECRET, 'the neighbour');
        const paths = [
          ...['', '?qualifier=$LATEST', '/logs'].map((rest) => ['GET', rest] as const),
          ...[['DELETE', ''] as const, ['POST', '/invocations'] as const],
          ...[
            ['POST', '/invocations?mode=dry-run'] as const,
            ['POST', '/invocations?qualifier=$LATEST'] as const,
          ],
        ];
        for (const [method, rest] of paths) {
          const theirs = await target.request(method, `/v1/functions/${name}${rest}`);
          const nobodys = await target.request(method, `/v1/functions/cross-unknown${rest}`);
          if (rest === '/logs') {
            holds(!theirs.text.includes(SECRET), `${method} ${rest} shows ${shown(theirs)}`);
            continue;
          }
          refused(theirs, 'not_found', `${method} ${rest} of another's function`);
          holds(
            unnamed(theirs, name) === unnamed(nobodys, 'cross-unknown'),
            `what is another's is told apart from what is nobody's: ${shown(theirs)} and ${shown(nobodys)}`,
          );
        }
        const listed = await target.request('GET', '/v1/functions?label=owner:neighbour');
        answered(listed, { functions: [], nextCursor: null }, 'the list');
        const demanding = { 'Strata-Require-Start': 'code' };
        const asked = await target.request('POST', `/v1/functions/${name}/invocations`, {
          headers: demanding,
        });
        refused(asked, 'not_found', 'a call that asks what is ready');
        await having(target, [{ tenant: ATTACKER, name, source: ECHO }], async () => {
          answered(await target.invoke(name), [{}, name], 'the attacker’s function of that name');
          answered(await call(), SECRET, 'the neighbour’s function of that name');
        });
        answered(await call(), SECRET, 'the neighbour after that');
      });
    },
  },
  {
    id: 318,
    group: 'cross',
    name: 'names that run together with those of another tenant',
    harmless: true,
    wire: async (target) => {
      const counts = (word: string) =>
        `let calls = 0; exports.handler = () => { calls += 1; return ['${word}', calls]; };`;
      const pairs = [
        ['a', 'b-c'],
        ['a-b', 'c'],
        ['A', 'b-c'],
        ['a', 'B-c'],
      ] as const;
      const functions = pairs.map(([tenant, name]) => ({
        tenant,
        name,
        source: counts(`${tenant}/${name}`),
      }));
      await having(target, functions, async () => {
        for (const round of [1, 2])
          for (const { tenant, name } of functions)
            answered(
              await target.invoke(name, {}, { tenant }),
              [`${tenant}/${name}`, round],
              `${tenant}/${name}`,
            );
      });
    },
  },
  {
    id: 319,
    group: 'cross',
    name: 'paths that lead to the functions of another tenant',
    harmless: true,
    wire: async (target) => {
      await having(target, [{ tenant: NEIGHBOUR, name: 'cross-path', source: ECHO }], async () => {
        const names = [
          ...[`${NEIGHBOUR}/cross-path`, `${NEIGHBOUR}%2fcross-path`, `..%2f${NEIGHBOUR}%2fcross-path`],
          ...[`${NEIGHBOUR}:cross-path`, `${NEIGHBOUR}%00cross-path`, `${NEIGHBOUR}@cross-path`, '%2e%2e'],
          ...['cross-path%3ftenant=strata-neighbour', 'cross-path;tenant=strata-neighbour', 'cross-path%20'],
        ];
        for (const name of names) {
          const reply = await target.request('POST', `/v1/functions/${name}/invocations`, { body: '{}' });
          holds(reply.status === 400 || reply.status === 404, `${name} was answered with ${shown(reply)}`);
        }
        for (const query of [
          'tenant=strata-neighbour',
          'Strata-Tenant=strata-neighbour',
          'qualifier=a&qualifier=b',
        ]) {
          const reply = await target.request('POST', `/v1/functions/cross-path/invocations?${query}`);
          refused(reply, 'invalid_request', `the query ${query}`);
        }
      });
    },
  },
  {
    id: 320,
    group: 'cross',
    name: 'a tenant that is two, or none',
    harmless: true,
    wire: async (target) => {
      await having(target, [{ tenant: NEIGHBOUR, name: 'cross-tenant', source: ECHO }], async () => {
        const { host } = new URL(target.url);
        const post = (headers: string): Promise<string> =>
          target.raw(
            `POST /v1/functions/cross-tenant/invocations HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}Content-Length: 2\r\n\r\n{}`,
          );
        const status = (answer: string): string => answer.slice(9, 12);
        const tenants = [
          [`Strata-Tenant: ${ATTACKER}\r\nStrata-Tenant: ${NEIGHBOUR}\r\n`, '400'],
          [`Strata-Tenant: ${NEIGHBOUR}\r\nstrata-tenant: ${ATTACKER}\r\n`, '400'],
          [`Strata-Tenant: ${ATTACKER}, ${NEIGHBOUR}\r\n`, '400'],
          [`Strata-Tenant: ${NEIGHBOUR.toUpperCase()}\r\n`, '404'],
          ['Strata-Tenant: \r\n', '400'],
          ['Strata-Tenant: *\r\n', '400'],
          [`Strata-Tenant: ${ATTACKER}\r\nX-Strata-Tenant: ${NEIGHBOUR}\r\nTenant: ${NEIGHBOUR}\r\n`, '404'],
          [`X-Forwarded-Strata-Tenant: ${NEIGHBOUR}\r\nStrata_Tenant: ${NEIGHBOUR}\r\n`, '404'],
          [`Strata-Tenant: ${NEIGHBOUR}\r\n`, '200'],
        ] as const;
        for (const [headers, wanted] of tenants) {
          const answer = await post(headers);
          holds(
            status(answer) === wanted,
            `${JSON.stringify(headers)} was answered with ${answer.slice(0, 300)}`,
          );
        }
      });
    },
  },
  {
    id: 321,
    group: 'cross',
    name: 'a tenant spoofed in the event, the environment, the labels and the result',
    harmless: true,
    wire: async (target) => {
      const name = 'canary-isolate';
      const forged = {
        tenant: NEIGHBOUR,
        'Strata-Tenant': NEIGHBOUR,
        headers: { 'Strata-Tenant': NEIGHBOUR },
      };
      const source =
        'exports.handler = (event, context) => { context.tenant = event.tenant; context.invocationId = "forged"; console.log(JSON.stringify({ tenant: event.tenant })); return { ...event, receipt: { tenant: event.tenant } }; };';
      const spec = { env: { STRATA_TENANT: NEIGHBOUR }, labels: { tenant: NEIGHBOUR } };
      await having(target, [{ tenant: ATTACKER, name, source, spec }], async () => {
        const reply = await target.invoke(name, forged);
        answered(reply, { ...forged, receipt: { tenant: NEIGHBOUR } }, 'the attacker');
        const receipt = await target.receipt(reply.invocationId);
        holds(
          receipt?.tenant === ATTACKER && receipt.function === name,
          `billed: ${JSON.stringify(receipt)}`,
        );
        holds(
          (await target.receipt(reply.invocationId, NEIGHBOUR)) === null,
          'the neighbour has the receipt',
        );
        const body = { runtime: 'isolate', code: { source: ECHO }, tenant: NEIGHBOUR };
        refused(
          await target.request('PUT', '/v1/functions/cross-spoofed', { body }),
          'invalid_request',
          'a deployment that names a tenant',
        );
      });
    },
  },
];
