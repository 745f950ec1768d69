import * as sdk from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../src/api/lambda/operations.ts';
import { call } from './http-client.ts';
import { create, lambdaClient, refusalOf } from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await startServer();
}, 60_000);

afterAll(() => server.stop(), 60_000);

const ofSdk = Object.keys(sdk)
  .filter((name) => name.endsWith('Command') && name !== '$Command')
  .map((name) => name.slice(0, -'Command'.length));

describe('the table of operations', () => {
  it('has every operation of the SDK, once', () => {
    const names = OPERATIONS.flatMap((row) => row.names);
    expect(new Set(names).size).toBe(names.length);
    expect(ofSdk.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('has each where the SDK sends it, and refuses what is not offered in the words of the API', async () => {
    const client = lambdaClient(server);
    await create(client, 'any', 'exports.handler = () => 1;');
    const commands = sdk as unknown as Record<string, new (input: object) => never>;
    for (const { names, serve } of OPERATIONS) {
      for (const name of names) {
        const Command = commands[`${name}Command`];
        if (Command === undefined || serve !== null) continue;
        const refusal = await refusalOf(client.send(new Command(ANY_INPUT)));
        expect([name, refusal.name, refusal.message]).toEqual([
          ...[name, 'InvalidParameterValueException'],
          expect.stringMatching(new RegExp(`^The operation ${names[0]} is not offered`)),
        ]);
      }
    }
  });
});

/** What goes into the paths of all that is not offered. */
const ANY_INPUT = {
  ...{
    FunctionName: 'any',
    StatementId: 's',
    UUID: 'u',
    LayerName: 'l',
    VersionNumber: 1,
    Arn: 'arn:aws:lambda:a',
  },
  ...{ CodeSigningConfigArn: 'c', CapacityProviderName: 'p', DurableExecutionArn: 'd', CallbackId: 'b' },
  ...{ ResourceArn: 'r', CheckpointToken: 't', Policy: '{}', Content: {}, AllowedPublishers: {} },
  ...{ EventSourceArn: 'e', Action: 'a', Principal: 'p', UpdateRuntimeOn: 'Auto', RecursiveLoop: 'Allow' },
};

describe('what no operation has', () => {
  it('is answered in the words of the API', async () => {
    const reply = await call(server, 'POST', '/2099-01-31/moons/1', { body: {} });
    expect([reply.status, reply.headers['x-amzn-errortype']]).toEqual([404, 'UnknownOperationException']);
    expect(reply.headers['x-amzn-requestid']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['a body that is no JSON', '{', 'InvalidRequestContentException'],
    ['a body that is no object', '[1]', 'InvalidRequestContentException'],
    [
      'JSON that nests deeper than anything needs',
      '['.repeat(2_000) + ']'.repeat(2_000),
      'InvalidRequestContentException',
    ],
    ['a name that comes twice', '{"Role":"a","Role":"b"}', 'InvalidRequestContentException'],
    ['a key of every prototype', '{"__proto__":{"FunctionName":"x"}}', 'InvalidRequestContentException'],
    ['a number for a text', '{"FunctionName":1}', 'SerializationException'],
    [
      'base64 that is none',
      '{"FunctionName":"x","Code":{"ZipFile":"%%%%"}}',
      'InvalidRequestContentException',
    ],
    ['a text for a structure', '{"FunctionName":"x","Code":"zip"}', 'SerializationException'],
  ])('refuses %s', async (_what, body, type) => {
    const reply = await call(server, 'POST', '/2015-03-31/functions', { body });
    expect([reply.status, reply.headers['x-amzn-errortype']]).toEqual([400, type]);
  });

  it('refuses bodies and headers that are too large, and serves the next', async () => {
    const large = { Tags: { a: 'x'.repeat(300 * 1024) } };
    const path = '/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aany';
    const reply = await call(server, 'POST', path, { body: large });
    expect([reply.status, reply.headers['x-amzn-errortype']]).toEqual([413, 'RequestTooLargeException']);
    const headers = { 'X-Amz-Client-Context': 'A'.repeat(60_000) };
    const huge = await call(server, 'POST', '/2015-03-31/functions/any/invocations', { headers });
    // Node refuses them before the server sees a request.
    expect(huge.status).toBe(400);
    expect((await call(server, 'GET', '/2015-03-31/functions')).status).toBe(200);
  });
});
