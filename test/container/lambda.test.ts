/**
 * The Lambda API over containers: what depends on the runtime, through the official SDK against a real server.
 */
import { CreateFunctionCommand, InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { arnOf, jsonOf, lambdaClient, ROLE, zipOf } from '../e2e/lambda-client.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { SHELL } from './bootstraps.ts';

const NODE = `
exports.handler = async (event, context) => {
  if (event.do === 'throw') throw new TypeError('out of stock');
  if (event.do === 'exit') process.exit(3);
  console.log('a line');
  return { ...context, env: process.env };
};`;
const PYTHON = `
import os
def handler(event, context):
    if event.get("do") == "throw": raise ValueError("out of stock")
    print("a line")
    return {"arn": context.invoked_function_arn, "id": context.aws_request_id, "custom": context.client_context and context.client_context.custom, "env": dict(os.environ)}
`;

const executable = (text: string): Uint8Array =>
  zipSync({ bootstrap: [Buffer.from(text), { os: 3, attrs: (0o100755 << 16) >>> 0 }] });

const FUNCTIONS = {
  node: { Runtime: 'nodejs22.x', Handler: 'index.handler', ZipFile: zipOf({ 'index.js': NODE }) },
  python: { Runtime: 'python3.12', Handler: 'index.handler', ZipFile: zipOf({ 'index.py': PYTHON }) },
  own: { Runtime: 'provided.al2023', Handler: 'shop.order', ZipFile: executable(SHELL) },
} as const;

const ClientContext = Buffer.from('{"custom":{"k":"v"}}').toString('base64');

await describeContainers('the Lambda API over containers', ['nodejs24', 'python3', 'provided'], () => {
  let server: ServerProcess;
  let client: LambdaClient;

  beforeAll(async () => {
    server = await startServer([], {
      STRATA_CONTAINER_MODE: 'required',
      DOCKER_HOST: ENGINE_HOST,
    });
    client = lambdaClient(server);
    for (const [FunctionName, { ZipFile, ...more }] of Object.entries(FUNCTIONS)) {
      const input = { FunctionName, Role: ROLE, Code: { ZipFile }, Timeout: 20, MemorySize: 128, ...more };
      const Environment = { Variables: { OWN: 'x' } };
      await client.send(new CreateFunctionCommand({ ...input, Environment } as never));
    }
  }, 120_000);

  afterAll(() => server.stop(), 60_000);

  const run = async (FunctionName: string, event: unknown) => {
    const Payload = JSON.stringify(event);
    const input = { FunctionName, Payload, ClientContext, LogType: 'Tail' } as const;
    const answer = await client.send(new InvokeCommand(input));
    const log = Buffer.from(answer.LogResult ?? '', 'base64').toString();
    return { answer, payload: jsonOf(answer.Payload), log, id: String(answer.$metadata.requestId) };
  };

  const environmentOf = (name: string, handler: string) => ({
    ...{ OWN: 'x', _HANDLER: handler, AWS_REGION: 'us-east-1', AWS_LAMBDA_FUNCTION_NAME: name },
    ...{ AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128' },
    LAMBDA_TASK_ROOT: expect.stringMatching(/^\/code\//),
  });

  it('gives a handler in Node its context, environment and log, and tells what it throws', async () => {
    const { payload, log, id } = await run('node', {});
    expect(payload).toMatchObject({
      ...{ awsRequestId: id, invokedFunctionArn: arnOf('node'), clientContext: { custom: { k: 'v' } } },
      env: environmentOf('node', 'index.handler'),
    });
    expect(log).toMatch(
      new RegExp(
        `^START RequestId: ${id} .*\\n.*\\t${id}\\tINFO\\ta line\\nEND .*\\nREPORT .*Max Memory Used: `,
        's',
      ),
    );
    const thrown = await run('node', { do: 'throw' });
    expect(thrown.answer.FunctionError).toBe('Unhandled');
    expect(thrown.payload).toMatchObject({
      errorType: 'TypeError',
      errorMessage: 'out of stock',
      trace: expect.any(Array),
    });
    const ended = await run('node', { do: 'exit' });
    expect(ended.payload).toEqual({
      errorType: 'Runtime.ExitError',
      errorMessage: `RequestId: ${ended.id} Error: Runtime exited without providing a reason`,
    });
  });

  it('gives a handler in Python the same in its own words', async () => {
    const { payload, log, id } = await run('python', {});
    expect(payload).toMatchObject({
      ...{ id, arn: arnOf('python'), custom: { k: 'v' }, env: environmentOf('python', 'index.handler') },
    });
    expect(log).toContain('\na line\nEND ');
    const thrown = await run('python', { do: 'throw' });
    expect(thrown.payload).toMatchObject({
      ...{
        errorType: 'ValueError',
        errorMessage: 'out of stock',
        requestId: thrown.id,
        stackTrace: expect.any(Array),
      },
    });
  });

  it('gives a bootstrap the ARN by which it was called, and tells the error that it posts', async () => {
    expect((await run('own', { do: 'headers' })).payload).toMatchObject({ arn: arnOf('own') });
    expect((await run('own', { do: 'env' })).payload).toMatchObject({
      ...{ handler: 'shop.order', name: 'own', version: '$LATEST', region: 'us-east-1', own: 'x' },
    });
    const thrown = await run('own', { do: 'error' });
    expect(thrown.payload).toMatchObject({ errorType: 'Shop.OutOfStock', errorMessage: 'out of stock' });
  });
});
