import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateFunctionUrlConfigCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteFunctionEventInvokeConfigCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  GetFunctionEventInvokeConfigCommand,
  GetFunctionUrlConfigCommand,
  InvokeCommand,
  type LambdaClient,
  ListFunctionEventInvokeConfigsCommand,
  ListTagsCommand,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  UpdateFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from './http-client.ts';
import { arnOf, create, jsonOf, lambdaClient, refusalOf } from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let client: LambdaClient;

beforeAll(async () => {
  server = await startServer();
  client = lambdaClient(server);
}, 60_000);

afterAll(() => server.stop(), 60_000);

const ONE = 'exports.handler = async () => 1;';

describe('reserved concurrency', () => {
  it('bounds what runs at once, is read, and is given up', async () => {
    await create(client, 'reserved', ONE);
    const FunctionName = 'reserved';
    expect(
      (await client.send(new GetFunctionConcurrencyCommand({ FunctionName }))).ReservedConcurrentExecutions,
    ).toBe(undefined);
    const put = new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 3 });
    expect((await client.send(put)).ReservedConcurrentExecutions).toBe(3);
    const native = await call(server, 'GET', '/v1/functions/reserved');
    expect(native.json).toMatchObject({ reservedConcurrency: 3, maxInstances: 3 });
    const { Concurrency } = await client.send(new GetFunctionCommand({ FunctionName }));
    expect(Concurrency?.ReservedConcurrentExecutions).toBe(3);
    expect(jsonOf((await client.send(new InvokeCommand({ FunctionName }))).Payload)).toBe(1);
    const deleted = await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
    expect(deleted.$metadata.httpStatusCode).toBe(204);
    expect((await call(server, 'GET', '/v1/functions/reserved')).json).toMatchObject({
      ...{ reservedConcurrency: 0, maxInstances: 50 },
    });
  });

  it('of 0 keeps the function from running', async () => {
    await create(client, 'stopped', ONE);
    const FunctionName = 'stopped';
    await client.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
    const refusal = await refusalOf(client.send(new InvokeCommand({ FunctionName })));
    expect(refusal).toMatchObject({
      ...{ name: 'TooManyRequestsException', Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' },
      $metadata: { httpStatusCode: 429 },
    });
    expect(refusal.message).toBe('Rate Exceeded.');
    await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
    expect(jsonOf((await client.send(new InvokeCommand({ FunctionName }))).Payload)).toBe(1);
  });

  it('is refused beyond its bounds', async () => {
    await create(client, 'bounded', ONE);
    for (const [wanted, name] of [
      [-1, 'ValidationException'],
      [1_001, 'ValidationException'],
    ] as const) {
      const input = { FunctionName: 'bounded', ReservedConcurrentExecutions: wanted };
      expect((await refusalOf(client.send(new PutFunctionConcurrencyCommand(input)))).name).toBe(name);
    }
  });
});

describe('event-invoke configurations', () => {
  it('are set, read, changed in part, listed and deleted', async () => {
    await create(client, 'source', ONE);
    await create(client, 'target', ONE);
    const FunctionName = 'source';
    const put = await client.send(
      new PutFunctionEventInvokeConfigCommand({
        ...{ FunctionName, MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 120 },
        DestinationConfig: { OnSuccess: { Destination: arnOf('target') } },
      }),
    );
    expect(put).toMatchObject({
      ...{ FunctionArn: arnOf('source', '$LATEST'), MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 120 },
      DestinationConfig: { OnSuccess: { Destination: arnOf('target') }, OnFailure: {} },
    });
    expect(put.LastModified).toBeInstanceOf(Date);
    await client.send(new UpdateFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 0 }));
    expect(await client.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }))).toMatchObject({
      ...{ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 120 },
    });
    await client.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 2 }));
    const read = await client.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }));
    expect(read.MaximumEventAgeInSeconds).toBeUndefined();
    const list = await client.send(new ListFunctionEventInvokeConfigsCommand({ FunctionName }));
    expect(list.FunctionEventInvokeConfigs).toHaveLength(1);
    await client.send(new DeleteFunctionEventInvokeConfigCommand({ FunctionName }));
    const gone = await refusalOf(client.send(new GetFunctionEventInvokeConfigCommand({ FunctionName })));
    expect(gone.message).toBe(`The function ${arnOf('source', '$LATEST')} doesn't have an EventInvokeConfig`);
  });

  it.each([
    ['more retries than there are', { MaximumRetryAttempts: 3 }, 'ValidationException'],
    ['an age that is too short', { MaximumEventAgeInSeconds: 59 }, 'ValidationException'],
    ['nothing', {}, 'InvalidParameterValueException'],
    [
      'a destination that is no function',
      { DestinationConfig: { OnFailure: { Destination: 'arn:aws:sqs:us-east-1:000000000000:q' } } },
      'InvalidParameterValueException',
    ],
    [
      'a destination that there is not',
      { DestinationConfig: { OnFailure: { Destination: arnOf('nobody') } } },
      'InvalidParameterValueException',
    ],
  ])('refuse %s', async (_what, input, name) => {
    await create(client, 'misled', ONE).catch(() => {});
    const sent = client.send(new PutFunctionEventInvokeConfigCommand({ FunctionName: 'misled', ...input }));
    expect((await refusalOf(sent)).name).toBe(name);
  });
});

describe('after a restart', () => {
  it('everything of a function is as it was', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'strata-lambda-'));
    try {
      const before = await startServer([], {}, { dataDir });
      const first = lambdaClient(before);
      const FunctionName = 'kept';
      const Tags = { 'strata:tier': 'isolate', team: 'a' };
      await create(first, FunctionName, ONE, { Tags, TracingConfig: { Mode: 'Active' } });
      const url = await first.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: 'NONE' }));
      const made = await first.send(new GetFunctionConfigurationCommand({ FunctionName }));
      await before.stop();

      const after = await startServer([], {}, { dataDir });
      try {
        const second = lambdaClient(after);
        const read = await second.send(new GetFunctionConfigurationCommand({ FunctionName }));
        expect({ ...read, $metadata: null }).toEqual({ ...made, $metadata: null });
        expect(read).toMatchObject({ TracingConfig: { Mode: 'Active' }, Runtime: 'nodejs24.x' });
        expect((await second.send(new ListTagsCommand({ Resource: arnOf(FunctionName) }))).Tags).toEqual(
          Tags,
        );
        const kept = await second.send(new GetFunctionUrlConfigCommand({ FunctionName }));
        const path = new URL(String(kept.FunctionUrl)).pathname;
        expect(path).toBe(new URL(String(url.FunctionUrl)).pathname);
        expect((await call(after, 'GET', path)).text).toBe('1');
      } finally {
        await after.stop();
      }
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});
