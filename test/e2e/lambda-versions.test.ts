import {
  CreateAliasCommand,
  CreateFunctionUrlConfigCommand,
  DeleteAliasCommand,
  DeleteFunctionCommand,
  DeleteProvisionedConcurrencyConfigCommand,
  GetAliasCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeCommand,
  type LambdaClient,
  ListAliasesCommand,
  ListFunctionsCommand,
  ListProvisionedConcurrencyConfigsCommand,
  PublishVersionCommand,
  PutProvisionedConcurrencyConfigCommand,
  paginateListAliases,
  paginateListVersionsByFunction,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilPublishedVersionActive,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from './http-client.ts';
import { arnOf, create, jsonOf, lambdaClient, refusalOf, zipOf } from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let client: LambdaClient;

beforeAll(async () => {
  server = await startServer();
  client = lambdaClient(server);
}, 60_000);

afterAll(() => server.stop(), 60_000);

const answering = (value: unknown): string =>
  `exports.handler = async (_, context) => ({ value: ${JSON.stringify(value)}, version: context.functionVersion, arn: context.invokedFunctionArn });`;

/** A function of which so many versions are published, each answering its number. */
const published = async (name: string, count: number): Promise<void> => {
  await create(client, name, answering(1));
  for (let version = 1; version <= count; version += 1) {
    if (version > 1) {
      const ZipFile = zipOf({ 'index.js': answering(version) });
      await client.send(new UpdateFunctionCodeCommand({ FunctionName: name, ZipFile }));
    }
    await client.send(new PublishVersionCommand({ FunctionName: name }));
  }
};

const run = async (FunctionName: string, Qualifier?: string) => {
  const answer = await client.send(new InvokeCommand({ FunctionName, Qualifier }));
  return { ...(jsonOf(answer.Payload) as Record<string, unknown>), executed: answer.ExecutedVersion };
};

describe('versions', () => {
  it('are published, run, and stay as they were', async () => {
    await create(client, 'frozen', answering(1), { Description: 'first', TracingConfig: { Mode: 'Active' } });
    const FunctionName = 'frozen';
    const made = await client.send(new PublishVersionCommand({ FunctionName, Description: 'the first' }));
    expect(made.$metadata.httpStatusCode).toBe(201);
    expect(made).toMatchObject({
      ...{ Version: '1', FunctionArn: arnOf(FunctionName, '1'), Description: 'the first', State: 'Pending' },
    });
    const wait = { client, minDelay: 1, maxDelay: 1, maxWaitTime: 10 };
    await waitUntilPublishedVersionActive(wait, { FunctionName, Qualifier: '1' });
    await client.send(
      new UpdateFunctionCodeCommand({
        FunctionName,
        ZipFile: zipOf({ 'index.js': answering(2) }),
        Publish: true,
      }),
    );
    await client.send(
      new UpdateFunctionConfigurationCommand({ FunctionName, TracingConfig: { Mode: 'PassThrough' } }),
    );
    expect(await run(FunctionName, '1')).toEqual({
      ...{ value: 1, version: '1', arn: arnOf(FunctionName, '1'), executed: '1' },
    });
    expect(await run(FunctionName, '2')).toMatchObject({ value: 2, executed: '2' });
    expect(await run(FunctionName)).toMatchObject({ value: 2, version: '$LATEST', executed: '$LATEST' });
    const read = await client.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier: '1' }));
    expect(read).toMatchObject({ CodeSha256: made.CodeSha256, TracingConfig: { Mode: 'Active' } });
  });

  it('are the same when nothing has changed', async () => {
    await create(client, 'same', answering(1), { Publish: true });
    const again = await client.send(new PublishVersionCommand({ FunctionName: 'same' }));
    expect(again.Version).toBe('1');
  });

  it('are listed in pages, $LATEST first', async () => {
    await published('listed', 3);
    const versions: (string | undefined)[] = [];
    for await (const page of paginateListVersionsByFunction(
      { client, pageSize: 2 },
      { FunctionName: 'listed' },
    ))
      versions.push(...(page.Versions ?? []).map(({ Version }) => Version));
    expect(versions).toEqual(['$LATEST', '1', '2', '3']);
    const { Functions } = await client.send(new ListFunctionsCommand({ FunctionVersion: 'ALL' }));
    const arns = (Functions ?? []).map(({ FunctionArn }) => FunctionArn);
    expect(arns).toEqual(expect.arrayContaining([arnOf('listed', '$LATEST'), arnOf('listed', '3')]));
  });

  it('are refused for another checksum or revision', async () => {
    const made = await create(client, 'expected', answering(1));
    const wrong = { FunctionName: 'expected', CodeSha256: 'AAAA' };
    expect((await refusalOf(client.send(new PublishVersionCommand(wrong)))).name).toBe(
      'InvalidParameterValueException',
    );
    const late = { FunctionName: 'expected', RevisionId: 'other' };
    expect((await refusalOf(client.send(new PublishVersionCommand(late)))).name).toBe(
      'PreconditionFailedException',
    );
    const right = { FunctionName: 'expected', CodeSha256: made.CodeSha256, RevisionId: made.RevisionId };
    expect((await client.send(new PublishVersionCommand(right))).Version).toBe('1');
  });

  it('are deleted one by one, unless an alias points to them', async () => {
    await published('thinned', 2);
    const FunctionName = 'thinned';
    await client.send(new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1' }));
    const pointed = await refusalOf(client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: '1' })));
    expect(pointed.name).toBe('ResourceConflictException');
    await client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: '2' }));
    const gone = await refusalOf(client.send(new InvokeCommand({ FunctionName, Qualifier: '2' })));
    expect(gone.message).toBe(`Function not found: ${arnOf(FunctionName, '2')}`);
    for (const Qualifier of ['$LATEST', 'live']) {
      const refusal = await refusalOf(client.send(new DeleteFunctionCommand({ FunctionName, Qualifier })));
      expect(refusal.name).toBe('InvalidParameterValueException');
    }
  });
});

describe('aliases', () => {
  it('are created, read, moved, listed and deleted', async () => {
    await published('aliased', 2);
    const FunctionName = 'aliased';
    const made = await client.send(
      new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1', Description: 'd' }),
    );
    expect(made.$metadata.httpStatusCode).toBe(201);
    expect(made).toMatchObject({
      ...{ AliasArn: arnOf(FunctionName, 'live'), Name: 'live', FunctionVersion: '1', Description: 'd' },
      RevisionId: expect.any(String),
    });
    expect(await run(arnOf(FunctionName, 'live'))).toMatchObject({
      value: 1,
      executed: '1',
      arn: arnOf(FunctionName, 'live'),
    });
    const read = await client.send(new GetFunctionCommand({ FunctionName, Qualifier: 'live' }));
    expect(read.Configuration).toMatchObject({ Version: '1', FunctionArn: arnOf(FunctionName, 'live') });
    const RevisionId = made.RevisionId;
    const moved = await client.send(
      new UpdateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '2', RevisionId }),
    );
    expect(moved).toMatchObject({ FunctionVersion: '2', Description: 'd' });
    expect(await run(FunctionName, 'live')).toMatchObject({ value: 2, executed: '2' });
    const late = await refusalOf(
      client.send(new UpdateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1', RevisionId })),
    );
    expect(late.name).toBe('PreconditionFailedException');
    const { Aliases } = await client.send(new ListAliasesCommand({ FunctionName, FunctionVersion: '2' }));
    expect(Aliases).toMatchObject([{ Name: 'live' }]);
    expect(
      (await client.send(new DeleteAliasCommand({ FunctionName, Name: 'live' }))).$metadata.httpStatusCode,
    ).toBe(204);
    await client.send(new DeleteAliasCommand({ FunctionName, Name: 'live' }));
    const gone = await refusalOf(client.send(new GetAliasCommand({ FunctionName, Name: 'live' })));
    expect(gone.message).toBe(`Cannot find alias arn: ${arnOf(FunctionName, 'live')}`);
  });

  it('share invocations between two versions by weight', async () => {
    await published('shared', 2);
    const FunctionName = 'shared';
    const made = await client.send(
      new CreateAliasCommand({
        ...{ FunctionName, Name: 'live', FunctionVersion: '1' },
        RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } },
      }),
    );
    expect(made.RoutingConfig).toEqual({ AdditionalVersionWeights: { 2: 0.5 } });
    const executed = new Set<unknown>();
    // A draw of one half that comes out the same forty times is not met in the life of a machine.
    for (let at = 0; at < 40 && executed.size < 2; at += 1)
      executed.add((await run(FunctionName, 'live')).executed);
    expect(executed).toEqual(new Set(['1', '2']));
    const all = { FunctionName, Name: 'live', RoutingConfig: { AdditionalVersionWeights: { 2: 1 } } };
    await client.send(new UpdateAliasCommand(all));
    expect(await run(FunctionName, 'live')).toMatchObject({ value: 2 });
    const cleared = await client.send(
      new UpdateAliasCommand({ FunctionName, Name: 'live', RoutingConfig: {} }),
    );
    expect(cleared.RoutingConfig).toBeUndefined();
    expect(await run(FunctionName, 'live')).toMatchObject({ value: 1 });
  });

  it('are listed in pages', async () => {
    await published('paged', 1);
    for (const Name of ['a', 'b', 'c'])
      await client.send(new CreateAliasCommand({ FunctionName: 'paged', Name, FunctionVersion: '1' }));
    const names: (string | undefined)[] = [];
    for await (const page of paginateListAliases({ client, pageSize: 2 }, { FunctionName: 'paged' }))
      names.push(...(page.Aliases ?? []).map(({ Name }) => Name));
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['a name of digits alone', { Name: '12', FunctionVersion: '1' }, 'ValidationException'],
    ['a version that there is not', { Name: 'live', FunctionVersion: '9' }, 'ResourceNotFoundException'],
    ['a version that is none', { Name: 'live', FunctionVersion: 'one' }, 'ValidationException'],
    ['no version', { Name: 'live' }, 'ValidationException'],
    [
      'a weight above one',
      { Name: 'live', FunctionVersion: '1', RoutingConfig: { AdditionalVersionWeights: { 2: 1.5 } } },
      'ValidationException',
    ],
    [
      'two further versions',
      { Name: 'live', FunctionVersion: '1', RoutingConfig: { AdditionalVersionWeights: { 2: 0.1, 3: 0.1 } } },
      'InvalidParameterValueException',
    ],
    [
      'a weight beside $LATEST',
      { Name: 'live', FunctionVersion: '$LATEST', RoutingConfig: { AdditionalVersionWeights: { 1: 0.1 } } },
      'InvalidParameterValueException',
    ],
  ])('are refused with %s', async (_what, input, name) => {
    await published('strict', 3).catch(() => {});
    const sent = client.send(new CreateAliasCommand({ FunctionName: 'strict', ...input } as never));
    expect((await refusalOf(sent)).name).toBe(name);
  });

  it('have function URLs of their own', async () => {
    await published('fronted', 2);
    await client.send(
      new CreateAliasCommand({ FunctionName: 'fronted', Name: 'live', FunctionVersion: '1' }),
    );
    const input = { FunctionName: 'fronted', Qualifier: 'live', AuthType: 'NONE' } as const;
    const { FunctionUrl } = await client.send(new CreateFunctionUrlConfigCommand(input));
    const reply = await call(server, 'GET', new URL(String(FunctionUrl)).pathname);
    expect(reply.json).toMatchObject({ value: 1 });
  });
});

describe('provisioned concurrency', () => {
  it('is in progress, then ready, and given up', async () => {
    await published('provisioned', 1);
    const FunctionName = 'provisioned';
    const Qualifier = '1';
    const put = await client.send(
      new PutProvisionedConcurrencyConfigCommand({
        FunctionName,
        Qualifier,
        ProvisionedConcurrentExecutions: 2,
      }),
    );
    expect(put.$metadata.httpStatusCode).toBe(202);
    expect(put).toMatchObject({ RequestedProvisionedConcurrentExecutions: 2, Status: 'IN_PROGRESS' });
    let read = await client.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier }));
    for (let asked = 0; read.Status === 'IN_PROGRESS' && asked < 5_000; asked += 1)
      read = await client.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier }));
    expect(read).toMatchObject({ Status: 'READY', AvailableProvisionedConcurrentExecutions: 2 });
    const log = await client.send(new InvokeCommand({ FunctionName, Qualifier, LogType: 'Tail' }));
    expect(Buffer.from(log.LogResult ?? '', 'base64').toString()).not.toContain('Init Duration');
    const { ProvisionedConcurrencyConfigs } = await client.send(
      new ListProvisionedConcurrencyConfigsCommand({ FunctionName }),
    );
    expect(ProvisionedConcurrencyConfigs).toMatchObject([
      { FunctionArn: arnOf(FunctionName, '1'), Status: 'READY' },
    ]);
    await client.send(new DeleteProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier }));
    const gone = await refusalOf(
      client.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier })),
    );
    expect(gone.name).toBe('ProvisionedConcurrencyConfigNotFoundException');
  });

  it('is refused for $LATEST, for nothing, and beyond what the tenant may keep', async () => {
    await published('unready', 1);
    const FunctionName = 'unready';
    for (const [Qualifier, count, name] of [
      ['$LATEST', 1, 'InvalidParameterValueException'],
      ['1', 0, 'ValidationException'],
      ['9', 1, 'ResourceNotFoundException'],
      ['1', 100, 'InvalidParameterValueException'],
    ] as const) {
      const input = { FunctionName, Qualifier, ProvisionedConcurrentExecutions: count };
      const refusal = await refusalOf(client.send(new PutProvisionedConcurrencyConfigCommand(input)));
      expect([Qualifier, count, refusal.name]).toEqual([Qualifier, count, name]);
    }
  });
});
