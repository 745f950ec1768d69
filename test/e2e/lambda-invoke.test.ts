import {
  InvokeAsyncCommand,
  InvokeCommand,
  type InvokeCommandInput,
  InvokeWithResponseStreamCommand,
  type LambdaClient,
  PutFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AsyncView } from '../../src/invocation/api.ts';
import { call } from './http-client.ts';
import { arnOf, create, jsonOf, lambdaClient, refusalOf, textOf } from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let client: LambdaClient;

const KINDS = `
exports.handler = async (event, context) => {
  if (event.do === 'throw') throw new TypeError('out of stock');
  if (event.do === 'nothing') return undefined;
  if (event.do === 'hang') await new Promise(() => { setInterval(() => {}, 50); });
  if (event.do === 'large') return 'x'.repeat(7 * 1024 * 1024);
  if (event.do === 'big') return 'y'.repeat(300 * 1024);
  if (event.do === 'cycle') { const a = {}; a.a = a; return a; }
  if (event.do === 'log') { for (let at = 0; at < event.lines; at++) console.log(event.text + at); return 1; }
  if (event.do === 'header') { const error = new Error('m'); error.name = 'A\\r\\nX-Evil: 1'; throw error; }
  if (event.do === 'env') return process.env;
  if (event.do === 'context') return { ...context, left: context.getRemainingTimeInMillis() };
  return { echo: event };
};`;

beforeAll(async () => {
  server = await startServer();
  client = lambdaClient(server);
  await create(client, 'kinds', KINDS, {
    Timeout: 1,
    MemorySize: 256,
    Environment: { Variables: { OWN: 'x' } },
  });
}, 60_000);

afterAll(() => server.stop(), 60_000);

const send = (event: unknown, more: Partial<InvokeCommandInput> = {}) =>
  client.send(
    new InvokeCommand({
      ...{ FunctionName: 'kinds', Payload: typeof event === 'string' ? event : JSON.stringify(event) },
      ...more,
    }),
  );

describe('Invoke', () => {
  it('answers the result, and which version ran', async () => {
    const answer = await send({ a: 1 });
    expect(jsonOf(answer.Payload)).toEqual({ echo: { a: 1 } });
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(answer.FunctionError).toBeUndefined();
    expect(answer.LogResult).toBeUndefined();
    expect(answer.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    'kinds',
    'kinds:$LATEST',
    arnOf('kinds'),
    arnOf('kinds', '$LATEST'),
    '000000000000:function:kinds',
  ])('finds the function as %s', async (FunctionName) => {
    expect(textOf((await send({}, { FunctionName })).Payload)).toBe('{"echo":{}}');
  });

  it('answers null for nothing', async () => {
    expect(textOf((await send({ do: 'nothing' })).Payload)).toBe('null');
  });

  it('looks the function up on a dry run, and runs nothing', async () => {
    const answer = await send({ do: 'throw' }, { InvocationType: 'DryRun' });
    expect([answer.StatusCode, textOf(answer.Payload)]).toEqual([204, '']);
    const refusal = await refusalOf(send({}, { InvocationType: 'DryRun', FunctionName: 'nobody' }));
    expect(refusal.name).toBe('ResourceNotFoundException');
  });

  it('tells what the handler threw', async () => {
    const answer = await send({ do: 'throw' });
    expect([answer.StatusCode, answer.FunctionError]).toEqual([200, 'Unhandled']);
    expect(jsonOf(answer.Payload)).toEqual({
      ...{ errorType: 'TypeError', errorMessage: 'out of stock' },
      trace: expect.arrayContaining(['TypeError: out of stock']),
    });
  });

  it('tells a timeout', async () => {
    const answer = await send({ do: 'hang' }, { LogType: 'Tail' });
    const id = answer.$metadata.requestId;
    expect(answer.FunctionError).toBe('Unhandled');
    expect(jsonOf(answer.Payload)).toEqual({
      errorType: 'Sandbox.Timedout',
      errorMessage: `RequestId: ${id} Error: Task timed out after 1.00 seconds`,
    });
    expect(Buffer.from(answer.LogResult ?? '', 'base64').toString()).toMatch(
      /Task timed out after 1\.00 seconds\nEND .*\nREPORT .*\tStatus: timeout\t\n$/,
    );
  });

  it('tells a result that is too large, and one that is no JSON', async () => {
    expect(jsonOf((await send({ do: 'large' })).Payload)).toEqual({
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: 'Response payload size exceeded maximum allowed payload size (6291456 bytes).',
    });
    const cycle = await send({ do: 'cycle' });
    expect(cycle.FunctionError).toBe('Unhandled');
    expect(jsonOf(cycle.Payload)).toMatchObject({ errorType: 'Runtime.MarshalError' });
  });

  it('tells code that cannot be loaded', async () => {
    for (const [name, source, errorType] of [
      ['broken', 'exports.handler = (', 'Runtime.UserCodeSyntaxError'],
      ['empty', 'exports.other = 1', 'Runtime.HandlerNotFound'],
      ['failing', "throw new RangeError('no')", 'RangeError'],
    ] as const) {
      await create(client, name, source);
      const answer = await send({}, { FunctionName: name });
      expect(answer.FunctionError).toBe('Unhandled');
      expect(jsonOf(answer.Payload)).toMatchObject({ errorType });
    }
  });

  it('has START, the lines, END and REPORT in the tail of the log', async () => {
    const answer = await send({ do: 'log', lines: 2, text: 'line ' }, { LogType: 'Tail' });
    const id = answer.$metadata.requestId;
    const lines = Buffer.from(answer.LogResult ?? '', 'base64')
      .toString()
      .split('\n');
    expect(lines).toEqual([
      `START RequestId: ${id} Version: $LATEST`,
      expect.stringMatching(new RegExp(`^\\d{4}-.*Z\\t${id}\\tINFO\\tline 0$`)),
      expect.stringMatching(/\tINFO\tline 1$/),
      `END RequestId: ${id}`,
      expect.stringMatching(
        new RegExp(
          `^REPORT RequestId: ${id}\\tDuration: \\d+\\.\\d\\d ms\\tBilled Duration: \\d+ ms\\tMemory Size: 256 MB\\t`,
        ),
      ),
      '',
    ]);
  });

  it('gives the last 4 KiB of a long log as valid UTF-8, whatever was logged', async () => {
    for (const text of ['ä€😀'.repeat(20), '\ud800'.repeat(30)]) {
      const answer = await send({ do: 'log', lines: 200, text }, { LogType: 'Tail' });
      const bytes = Buffer.from(answer.LogResult ?? '', 'base64');
      expect(bytes.length).toBeLessThanOrEqual(4_096);
      expect(bytes.length).toBeGreaterThan(4_000);
      expect(new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toMatch(/\tINFO\t.*\nEND .*\nREPORT /s);
    }
  });

  it('has a cold start in the report of the first invocation alone', async () => {
    await create(client, 'cold', 'exports.handler = async () => 1;');
    const report = async () => {
      const answer = await send({}, { FunctionName: 'cold', LogType: 'Tail' });
      return Buffer.from(answer.LogResult ?? '', 'base64').toString();
    };
    expect(await report()).toMatch(/\tInit Duration: \d+\.\d\d ms\t\n$/);
    expect(await report()).not.toContain('Init Duration');
  });

  it("gives the handler Lambda's context", async () => {
    const ClientContext = Buffer.from('{"custom":{"k":"ü"},"env":{}}').toString('base64');
    const FunctionName = arnOf('kinds', '$LATEST');
    const answer = await send({ do: 'context' }, { FunctionName, ClientContext });
    expect(jsonOf(answer.Payload)).toMatchObject({
      ...{ functionName: 'kinds', functionVersion: '$LATEST', memoryLimitInMB: 256 },
      ...{ awsRequestId: answer.$metadata.requestId, invokedFunctionArn: FunctionName },
      ...{ logGroupName: '/aws/lambda/kinds', logStreamName: '[$LATEST]' },
      clientContext: { custom: { k: 'ü' }, env: {} },
      left: expect.any(Number),
    });
    const plain = jsonOf((await send({ do: 'context' })).Payload);
    expect(plain).toMatchObject({ invokedFunctionArn: arnOf('kinds') });
    expect(plain).not.toHaveProperty('clientContext');
  });

  it("gives the handler Lambda's environment", async () => {
    expect(jsonOf((await send({ do: 'env' })).Payload)).toMatchObject({
      ...{ OWN: 'x', _HANDLER: 'index.handler', AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1' },
      ...{ AWS_LAMBDA_FUNCTION_NAME: 'kinds', AWS_LAMBDA_FUNCTION_VERSION: '$LATEST' },
      ...{ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256', AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/kinds' },
    });
  });

  it.each([
    ['an event that is no JSON', 'nonsense', {}, 'InvalidRequestContentException', 400],
    ['an unknown function', {}, { FunctionName: 'nobody' }, 'ResourceNotFoundException', 404],
    ['an unknown qualifier', {}, { Qualifier: 'live' }, 'ResourceNotFoundException', 404],
    ['an impossible qualifier', {}, { Qualifier: 'a/b' }, 'ValidationException', 400],
    ['an impossible name', {}, { FunctionName: 'a b' }, 'ValidationException', 400],
    [
      'two qualifiers',
      {},
      { FunctionName: 'kinds:a', Qualifier: 'b' },
      'InvalidParameterValueException',
      400,
    ],
    [
      'another account',
      {},
      { FunctionName: arnOf('kinds').replace('000000000000', '111111111111') },
      'ResourceNotFoundException',
      404,
    ],
    [
      'another region',
      {},
      { FunctionName: arnOf('kinds').replace('us-east-1', 'us-west-2') },
      'ResourceNotFoundException',
      404,
    ],
    ['an unknown type', {}, { InvocationType: 'Later' as never }, 'ValidationException', 400],
    [
      'a client context that is no base64',
      {},
      { ClientContext: 'ä{}' },
      'InvalidRequestContentException',
      400,
    ],
    [
      'a client context that is no object',
      {},
      { ClientContext: 'MQ==' },
      'InvalidRequestContentException',
      400,
    ],
    [
      'a client context that is too long',
      {},
      { ClientContext: 'A'.repeat(3_584) },
      'InvalidRequestContentException',
      400,
    ],
  ] as const)('refuses %s', async (_what, event, more, name, status) => {
    const refusal = await refusalOf(send(event, more));
    expect([refusal.name, refusal.$metadata.httpStatusCode]).toEqual([name, status]);
    expect(refusal.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('refuses an event that is too large, before it has come', async () => {
    const refusal = await refusalOf(send(JSON.stringify('x'.repeat(6 * 1024 * 1024))));
    expect([refusal.name, refusal.$metadata.httpStatusCode]).toEqual(['RequestTooLargeException', 413]);
    const unknown = await refusalOf(
      send(JSON.stringify('x'.repeat(1024 * 1024)), { FunctionName: 'nobody' }),
    );
    expect(unknown.name).toBe('ResourceNotFoundException');
  });

  it('lets no header begin with what a function chose', async () => {
    const reply = await call(server, 'POST', '/2015-03-31/functions/kinds/invocations', {
      body: { do: 'header' },
    });
    expect(reply.headers).not.toHaveProperty('x-evil');
    expect(reply.headers).toMatchObject({
      ...{ 'x-amz-function-error': 'Unhandled', 'x-amz-executed-version': '$LATEST' },
      'content-type': 'application/json',
    });
    expect(reply.json).toMatchObject({ errorMessage: 'm' });
  });
});

describe('InvokeWithResponseStream', () => {
  const stream = async (event: unknown, more = {}) => {
    const input = { FunctionName: 'kinds', Payload: Buffer.from(JSON.stringify(event)), ...more };
    const answer = await client.send(new InvokeWithResponseStreamCommand(input));
    const chunks: Uint8Array[] = [];
    let complete: unknown;
    for await (const event of answer.EventStream ?? []) {
      if (event.PayloadChunk?.Payload !== undefined) chunks.push(event.PayloadChunk.Payload);
      if (event.InvokeComplete !== undefined) complete = event.InvokeComplete;
    }
    return { answer, chunks, text: Buffer.concat(chunks).toString(), complete };
  };

  it('streams the result in chunks, and says that it is complete', async () => {
    const { answer, chunks, text, complete } = await stream({ do: 'big' }, { LogType: 'Tail' });
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(chunks.length).toBe(3);
    expect(text).toBe(JSON.stringify('y'.repeat(300 * 1024)));
    expect(complete).toMatchObject({ LogResult: expect.any(String) });
    expect(complete).not.toHaveProperty('ErrorCode');
  });

  it('ends with what the handler threw', async () => {
    const { text, complete } = await stream({ do: 'throw' });
    expect(text).toBe('');
    expect(complete).toMatchObject({
      ...{ ErrorCode: 'Unhandled', ErrorDetails: expect.stringContaining('"errorMessage":"out of stock"') },
    });
  });

  it('refuses an unknown function', async () => {
    const refusal = await refusalOf(stream({}, { FunctionName: 'nobody' }));
    expect(refusal.name).toBe('ResourceNotFoundException');
  });
});

describe('asynchronous invocations', () => {
  const ended = async (id: string | undefined, status: string): Promise<AsyncView> => {
    const view = async () => (await call(server, 'GET', `/v1/invocations/${id}`)).json as AsyncView;
    await expect.poll(async () => (await view()).status, { timeout: 10_000 }).toBe(status);
    return view();
  };

  it('are accepted before they run, under the id of the request', async () => {
    const { StatusCode, Payload, $metadata } = await send({ a: 1 }, { InvocationType: 'Event' });
    expect([StatusCode, Payload?.length ?? 0]).toEqual([202, 0]);
    expect(await ended($metadata.requestId, 'succeeded')).toMatchObject({ result: { echo: { a: 1 } } });
    const old = await client.send(new InvokeAsyncCommand({ FunctionName: 'kinds', InvokeArgs: '{}' }));
    expect(old.Status).toBe(202);
  });

  it('are retried as their configuration says', async () => {
    const FunctionName = 'kinds';
    await client.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 0 }));
    const { $metadata } = await send({ do: 'throw' }, { InvocationType: 'Event' });
    expect(await ended($metadata.requestId, 'failed')).toMatchObject({ attempts: 1, deadLetter: true });
  });

  it('are refused in the words of the API where they are too large', async () => {
    const large = JSON.stringify('x'.repeat(1024 * 1024));
    const refusal = await refusalOf(send(large, { InvocationType: 'Event' }));
    expect(refusal.name).toBe('RequestTooLargeException');
    const old = client.send(new InvokeAsyncCommand({ FunctionName: 'nobody', InvokeArgs: '{}' }));
    expect((await refusalOf(old)).name).toBe('ResourceNotFoundException');
  });
});
