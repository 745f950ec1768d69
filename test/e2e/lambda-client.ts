/**
 * The official SDK against a server of this test's own, and small functions for it to create.
 */
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  LambdaClient,
  type LambdaServiceException,
} from '@aws-sdk/client-lambda';
import { strToU8, zipSync } from 'fflate';
import type { ServerProcess } from './server-process.ts';

export const REGION = 'us-east-1';
export const ROLE = 'arn:aws:iam::000000000000:role/lambda-role';

/** Nothing is retried, so that each refusal is seen. */
export const lambdaClient = (server: ServerProcess, tenant?: string): LambdaClient => {
  const client = new LambdaClient({
    endpoint: server.url,
    region: REGION,
    maxAttempts: 1,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  if (tenant !== undefined)
    client.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['Strata-Tenant'] = tenant;
        return next(args);
      },
      { step: 'build' },
    );
  return client;
};

export const arnOf = (name: string, qualifier?: string): string =>
  `arn:aws:lambda:${REGION}:000000000000:function:${name}${qualifier === undefined ? '' : `:${qualifier}`}`;

export const zipOf = (files: Readonly<Record<string, string>>): Uint8Array =>
  zipSync(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)])));

/** What creates a function in an isolate. */
export const isolateFunction = (
  name: string,
  source: string,
  more: Partial<CreateFunctionCommandInput> = {},
): CreateFunctionCommandInput => ({
  FunctionName: name,
  Runtime: 'nodejs24.x',
  Role: ROLE,
  Handler: 'index.handler',
  Code: { ZipFile: zipOf({ 'index.js': source }) },
  Tags: { 'strata:tier': 'isolate' },
  ...more,
});

export const create = (
  client: LambdaClient,
  name: string,
  source: string,
  more: Partial<CreateFunctionCommandInput> = {},
) => client.send(new CreateFunctionCommand(isolateFunction(name, source, more)));

/** The refusal of a call. */
export const refusalOf = async (
  sent: Promise<unknown>,
): Promise<LambdaServiceException & Record<string, unknown>> => {
  try {
    await sent;
  } catch (thrown) {
    return thrown as LambdaServiceException & Record<string, unknown>;
  }
  throw new Error('the call was not refused');
};

export const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

export const jsonOf = (bytes: Uint8Array | undefined): unknown => JSON.parse(textOf(bytes));
