import { createHash } from 'node:crypto';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  type LambdaClient,
  ListFunctionsCommand,
  ListTagsCommand,
  paginateListFunctions,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionExists,
  waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invoke } from './http-client.ts';
import {
  arnOf,
  create,
  isolateFunction,
  lambdaClient,
  REGION,
  ROLE,
  refusalOf,
  zipOf,
} from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let client: LambdaClient;

beforeAll(async () => {
  server = await startServer();
  client = lambdaClient(server);
}, 60_000);

afterAll(() => server.stop(), 60_000);

const GREET = 'exports.handler = async (event) => ({ hello: event.name });';
const WAIT = { minDelay: 1, maxDelay: 1, maxWaitTime: 10 };
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64');

describe('CreateFunction', () => {
  it('answers 201 with a pending function that is active when it is asked for', async () => {
    const zip = zipOf({ 'index.js': GREET });
    const made = await create(client, 'made', GREET, {
      ...{ Code: { ZipFile: zip }, Description: 'Greets.', Timeout: 5, MemorySize: 256 },
      Environment: { Variables: { MODE: 'x' } },
      TracingConfig: { Mode: 'Active' },
      LoggingConfig: { LogFormat: 'Text', LogGroup: '/own/group' },
      EphemeralStorage: { Size: 1_024 },
    });
    expect(made.$metadata.httpStatusCode).toBe(201);
    expect(made).toMatchObject({
      ...{ FunctionName: 'made', FunctionArn: arnOf('made'), Runtime: 'nodejs24.x', Role: ROLE },
      ...{ Handler: 'index.handler', CodeSize: zip.length, CodeSha256: sha256Of(zip), Version: '$LATEST' },
      ...{ Description: 'Greets.', Timeout: 5, MemorySize: 256, PackageType: 'Zip', State: 'Pending' },
      ...{ StateReasonCode: 'Creating', Architectures: ['x86_64'], TracingConfig: { Mode: 'Active' } },
      ...{ Environment: { Variables: { MODE: 'x' } }, EphemeralStorage: { Size: 1_024 } },
      LoggingConfig: { LogFormat: 'Text', LogGroup: '/own/group' },
      SnapStart: { ApplyOn: 'None', OptimizationStatus: 'Off' },
      RevisionId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      LastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/),
    });
    await waitUntilFunctionExists({ client, ...WAIT }, { FunctionName: 'made' });
    await waitUntilFunctionActiveV2({ client, ...WAIT }, { FunctionName: 'made' });
    const read = await client.send(new GetFunctionConfigurationCommand({ FunctionName: 'made' }));
    expect(read).toMatchObject({
      State: 'Active',
      LastUpdateStatus: 'Successful',
      RevisionId: made.RevisionId,
    });
    expect(read.CodeSha256).toBe(sha256Of(zip));
  });

  it('takes the name as a partial ARN and as an ARN', async () => {
    for (const [name, given] of [
      ['by-arn', arnOf('by-arn')],
      ['by-part', '000000000000:function:by-part'],
      ['by-name', 'function:by-name'],
    ] as const) {
      expect((await create(client, given, GREET)).FunctionArn).toBe(arnOf(name));
      const read = await client.send(new GetFunctionCommand({ FunctionName: arnOf(name, '$LATEST') }));
      expect(read.Configuration?.FunctionArn).toBe(arnOf(name, '$LATEST'));
    }
  });

  it('refuses a second one of the same name', async () => {
    await create(client, 'twice', GREET);
    const refusal = await refusalOf(create(client, 'twice', GREET));
    expect(refusal).toMatchObject({ name: 'ResourceConflictException', Type: 'User' });
    expect(refusal.message).toBe('Function already exist: twice');
    expect(refusal.$metadata.httpStatusCode).toBe(409);
  });

  it('makes one of many that are created at once', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => create(client, 'raced', GREET)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it.each([
    [
      'an unknown runtime',
      { Runtime: 'cobol' },
      'InvalidParameterValueException',
      /nodejs24\.x.*python3\.13.*provided/,
    ],
    [
      'no runtime',
      { Runtime: undefined },
      'InvalidParameterValueException',
      /Runtime and Handler are mandatory/,
    ],
    [
      'no handler',
      { Handler: undefined },
      'InvalidParameterValueException',
      /Runtime and Handler are mandatory/,
    ],
    ['a role that is none', { Role: 'me' }, 'ValidationException', /'me' at 'role'/],
    ['no role', { Role: undefined }, 'ValidationException', /'role'.*must not be null/],
    ['a timeout of 901 seconds', { Timeout: 901 }, 'ValidationException', /'901' at 'timeout'.*equal to 900/],
    ['too little memory', { MemorySize: 64 }, 'ValidationException', /'64' at 'memorySize'/],
    [
      'a memory that an isolate cannot have',
      { MemorySize: 10_240 },
      'InvalidParameterValueException',
      /memoryMb/,
    ],
    [
      'code in a bucket',
      { Code: { S3Bucket: 'b', S3Key: 'k' } },
      'InvalidParameterValueException',
      /S3Bucket/,
    ],
    [
      'an image',
      { PackageType: 'Image', Code: { ImageUri: 'i' } },
      'InvalidParameterValueException',
      /ImageUri/,
    ],
    ['no code', { Code: {} }, 'InvalidParameterValueException', /provide a source/],
    [
      'an archive that is none',
      { Code: { ZipFile: Buffer.from('PK?') } },
      'InvalidParameterValueException',
      /ZIP/,
    ],
    [
      'layers',
      { Layers: ['arn:aws:lambda:us-east-1:1:layer:a:1'] },
      'InvalidParameterValueException',
      /Layers/,
    ],
    ['a VPC', { VpcConfig: { SubnetIds: ['s'] } }, 'InvalidParameterValueException', /SubnetIds/],
    [
      'a reserved variable',
      { Environment: { Variables: { AWS_REGION: 'x' } } },
      'InvalidParameterValueException',
      /AWS_REGION/,
    ],
    ['a tag of the service', { Tags: { 'aws:x': '1' } }, 'InvalidParameterValueException', /aws:/],
    ['an unknown tier', { Tags: { 'strata:tier': 'moon' } }, 'InvalidParameterValueException', /strata:tier/],
    ['Python in an isolate', { Runtime: 'python3.13' }, 'InvalidParameterValueException', /strata:tier/],
    ['a name with a dot', { FunctionName: 'a.b' }, 'ValidationException', /'a\.b' at 'functionName'/],
    [
      'another region',
      { FunctionName: arnOf('x').replace(REGION, 'eu-west-1') },
      'ResourceNotFoundException',
      /eu-west-1/,
    ],
  ] as const)('refuses %s', async (_what, wrong, name, message) => {
    const input = { ...isolateFunction('refused', GREET), ...wrong };
    const refusal = await refusalOf(client.send(new CreateFunctionCommand(input as never)));
    expect(refusal.name).toBe(name);
    expect(refusal.message).toMatch(message);
    expect((await refusalOf(client.send(new GetFunctionCommand({ FunctionName: 'refused' })))).name).toBe(
      'ResourceNotFoundException',
    );
  });

  it('refuses an archive that unpacks to more than it may', async () => {
    const bomb = zipOf({ 'index.js': ' '.repeat(6 * 1024 * 1024) });
    const refusal = await refusalOf(create(client, 'bomb', '', { Code: { ZipFile: bomb } }));
    expect(refusal.name).toBe('InvalidParameterValueException');
    expect(refusal.message).toBe('Unzipped size must be smaller than 5242880 bytes');
  });
});

describe('GetFunction', () => {
  it('has configuration, code and tags', async () => {
    await create(client, 'read', GREET, { Tags: { 'strata:tier': 'isolate', team: 'a' } });
    const read = await client.send(new GetFunctionCommand({ FunctionName: 'read' }));
    expect(read).toMatchObject({
      Configuration: { FunctionName: 'read', FunctionArn: arnOf('read'), State: 'Active' },
      Code: { RepositoryType: 'S3' },
      Tags: { team: 'a' },
    });
  });

  it('says which function there is not', async () => {
    const refusal = await refusalOf(client.send(new GetFunctionCommand({ FunctionName: 'nobody' })));
    expect(refusal).toMatchObject({ name: 'ResourceNotFoundException', Type: 'User' });
    expect(refusal.message).toBe(`Function not found: ${arnOf('nobody')}`);
    expect(refusal.$metadata).toMatchObject({
      httpStatusCode: 404,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const qualified = client.send(new GetFunctionCommand({ FunctionName: 'nobody', Qualifier: 'live' }));
    expect((await refusalOf(qualified)).message).toBe(`Function not found: ${arnOf('nobody', 'live')}`);
  });

  it('shows a function that came by the native API', async () => {
    const spec = { runtime: 'isolate', code: { source: GREET } };
    await fetch(`${server.url}/v1/functions/native`, { method: 'PUT', body: JSON.stringify(spec) });
    const read = await client.send(new GetFunctionConfigurationCommand({ FunctionName: 'native' }));
    expect(read).toMatchObject({
      Runtime: 'nodejs24.x',
      State: 'Active',
      CodeSha256: expect.stringMatching(/=$/),
    });
  });

  it('does not find a function of another tenant, by its name or by its ARN', async () => {
    const made = await create(lambdaClient(server, 'acme'), 'theirs', GREET);
    expect(made.FunctionArn).not.toBe(arnOf('theirs'));
    for (const name of ['theirs', String(made.FunctionArn)]) {
      const refusal = await refusalOf(client.send(new GetFunctionCommand({ FunctionName: name })));
      expect(refusal.name).toBe('ResourceNotFoundException');
    }
  });
});

describe('UpdateFunctionCode', () => {
  it('replaces the code, and keeps the configuration', async () => {
    await create(client, 'recoded', GREET, { Environment: { Variables: { A: '1' } }, Timeout: 7 });
    const zip = zipOf({ 'index.js': 'exports.handler = async () => process.env.A;' });
    const updated = await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: 'recoded', ZipFile: zip }),
    );
    expect(updated).toMatchObject({ LastUpdateStatus: 'InProgress', CodeSha256: sha256Of(zip), Timeout: 7 });
    await waitUntilFunctionUpdatedV2({ client, ...WAIT }, { FunctionName: 'recoded' });
    expect((await invoke(server, 'recoded')).json).toBe('1');
  });

  it('changes nothing on a dry run', async () => {
    const made = await create(client, 'tried', GREET);
    const zip = zipOf({ 'index.js': 'exports.handler = () => 2;' });
    const input = { FunctionName: 'tried', ZipFile: zip, DryRun: true };
    expect((await client.send(new UpdateFunctionCodeCommand(input))).CodeSha256).toBe(sha256Of(zip));
    const read = await client.send(new GetFunctionConfigurationCommand({ FunctionName: 'tried' }));
    expect([read.CodeSha256, read.RevisionId]).toEqual([made.CodeSha256, made.RevisionId]);
  });

  it('refuses a revision that is not the present one', async () => {
    const made = await create(client, 'guarded', GREET);
    const zip = zipOf({ 'index.js': GREET });
    const input = { FunctionName: 'guarded', ZipFile: zip, RevisionId: made.RevisionId };
    await client.send(new UpdateFunctionCodeCommand(input));
    const refusal = await refusalOf(client.send(new UpdateFunctionCodeCommand(input)));
    expect(refusal).toMatchObject({ name: 'PreconditionFailedException', Type: 'User' });
    expect(refusal.$metadata.httpStatusCode).toBe(412);
  });
});

describe('UpdateFunctionConfiguration', () => {
  it('changes what it names, and keeps the rest and the code', async () => {
    const made = await create(client, 'changed', GREET, {
      Description: 'old',
      Environment: { Variables: { A: '1' } },
    });
    const input = { FunctionName: 'changed', Timeout: 9, MemorySize: 512, Handler: 'index.handler' };
    const updated = await client.send(new UpdateFunctionConfigurationCommand(input));
    expect(updated).toMatchObject({
      Timeout: 9,
      MemorySize: 512,
      Description: 'old',
      CodeSha256: made.CodeSha256,
    });
    expect(updated.Environment?.Variables).toEqual({ A: '1' });
    expect(updated.RevisionId).not.toBe(made.RevisionId);
    const cleared = await client.send(
      new UpdateFunctionConfigurationCommand({ FunctionName: 'changed', Environment: {} }),
    );
    expect(cleared.Environment).toBeUndefined();
    expect((await invoke(server, 'changed', { name: 'Ada' })).json).toEqual({ hello: 'Ada' });
  });

  it('refuses a handler that is not in the code', async () => {
    await create(client, 'misled', GREET);
    const input = { FunctionName: 'misled', Handler: 'other.handler' };
    const refusal = await refusalOf(client.send(new UpdateFunctionConfigurationCommand(input)));
    expect(refusal.name).toBe('InvalidParameterValueException');
  });
});

describe('DeleteFunction', () => {
  it('deletes a function, and forgets what it had', async () => {
    await create(client, 'gone', GREET, { Tags: { 'strata:tier': 'isolate', team: 'a' } });
    const deleted = await client.send(new DeleteFunctionCommand({ FunctionName: 'gone' }));
    expect(deleted.$metadata.httpStatusCode).toBe(204);
    const again = await refusalOf(client.send(new DeleteFunctionCommand({ FunctionName: 'gone' })));
    expect(again.name).toBe('ResourceNotFoundException');
    await create(client, 'gone', GREET);
    const { Tags } = await client.send(new ListTagsCommand({ Resource: arnOf('gone') }));
    expect(Tags).toEqual({ 'strata:tier': 'isolate' });
  });
});

describe('ListFunctions', () => {
  it('pages through every function once', async () => {
    const own = lambdaClient(server, 'pages');
    for (const name of ['a', 'b', 'c', 'd', 'e']) await create(own, name, GREET);
    const names: (string | undefined)[] = [];
    let pages = 0;
    for await (const page of paginateListFunctions({ client: own, pageSize: 2 }, {})) {
      pages += 1;
      names.push(...(page.Functions ?? []).map(({ FunctionName }) => FunctionName));
    }
    expect([names, pages]).toEqual([['a', 'b', 'c', 'd', 'e'], 3]);
    const refusal = await refusalOf(own.send(new ListFunctionsCommand({ Marker: 'nonsense!' })));
    expect(refusal.name).toBe('InvalidParameterValueException');
    expect((await refusalOf(own.send(new ListFunctionsCommand({ MaxItems: 0 })))).name).toBe(
      'ValidationException',
    );
  });
});

describe('tags', () => {
  it('are added, listed and removed', async () => {
    const { FunctionArn } = await create(client, 'tagged', GREET);
    const Resource = String(FunctionArn);
    await client.send(new TagResourceCommand({ Resource, Tags: { team: 'a', cost: 'b c' } }));
    await client.send(new UntagResourceCommand({ Resource, TagKeys: ['team', 'strata:tier', 'unknown'] }));
    expect((await client.send(new ListTagsCommand({ Resource }))).Tags).toEqual({ cost: 'b c' });
  });

  it('are refused beyond their number, and on versions', async () => {
    await create(client, 'untagged', GREET);
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`k${at}`, 'v']));
    for (const [Resource, Tags] of [
      [arnOf('untagged'), many],
      [arnOf('untagged', '1'), { a: 'b' }],
    ] as const) {
      const refusal = await refusalOf(client.send(new TagResourceCommand({ Resource, Tags })));
      expect(refusal.name).toBe('InvalidParameterValueException');
    }
  });
});

describe('GetAccountSettings', () => {
  it('counts the functions of the tenant alone', async () => {
    const own = lambdaClient(server, 'counted');
    await create(own, 'one', GREET);
    const { AccountUsage, AccountLimit } = await own.send(new GetAccountSettingsCommand({}));
    expect(AccountUsage?.FunctionCount).toBe(1);
    expect(AccountLimit?.ConcurrentExecutions).toBeGreaterThan(0);
  });
});
