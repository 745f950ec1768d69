import {
  CreateFunctionUrlConfigCommand,
  DeleteFunctionCommand,
  DeleteFunctionUrlConfigCommand,
  GetFunctionUrlConfigCommand,
  type LambdaClient,
  ListFunctionUrlConfigsCommand,
  UpdateFunctionUrlConfigCommand,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, exchange } from './http-client.ts';
import { arnOf, create, lambdaClient, refusalOf } from './lambda-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let client: LambdaClient;
let url: string;

const SITE = `
exports.handler = async (event) => {
  const answers = {
    '/html': { statusCode: 200, headers: { 'Content-Type': 'text/html', 'X-Own': 'a' }, cookies: ['a=1; Path=/; Secure', 'b=2;domain=localhost'], body: '<p>ä</p>' },
    '/binary': { statusCode: 200, headers: { 'Content-Type': 'image/png' }, isBase64Encoded: true, body: '/wAB' },
    '/text': 'plain',
    '/moved': { statusCode: 302, headers: { Location: '/elsewhere', 'Content-Type': 'text/plain' } },
    '/none': { statusCode: 204, headers: { 'Content-Type': 'text/plain' } },
    '/evil-header': { statusCode: 200, headers: { 'X-A': 'a\\r\\nX-Evil: 1' } },
    '/evil-name': { statusCode: 200, headers: { 'X-A\\r\\nX-Evil': '1' } },
    '/evil-status': { statusCode: 99 },
    '/evil-length': { statusCode: 200, headers: { 'Content-Length': '1', 'Transfer-Encoding': 'chunked', Connection: 'upgrade', 'Content-Type': 'text/plain', 'Clear-Site-Data': '"*"' }, body: 'whole' },
    '/evil-many': { statusCode: 200, headers: Object.fromEntries(Array.from({ length: 200 }, (_, at) => ['x-' + at, '1'])) },
  };
  if (event.rawPath === '/many') return Array(60000).fill('"');
  if (event.rawPath === '/many-and-more') return { statusCode: 200, body: Array(60000).fill(0) };
  if (event.rawPath === '/throw') throw new Error('secret');
  return event.rawPath in answers ? answers[event.rawPath] : event;
};`;

beforeAll(async () => {
  server = await startServer();
  client = lambdaClient(server);
  await create(client, 'site', SITE);
  const made = await client.send(
    new CreateFunctionUrlConfigCommand({ FunctionName: 'site', AuthType: 'NONE' }),
  );
  url = new URL(String(made.FunctionUrl)).pathname;
}, 60_000);

afterAll(() => server.stop(), 60_000);

const textAt = async (path: string): Promise<string> => (await fetch(server.url + path)).text();

describe('function URL configurations', () => {
  it('are created, read, changed, listed and deleted', async () => {
    await create(client, 'configured', SITE);
    const FunctionName = 'configured';
    const Cors = { AllowOrigins: ['https://example.com'], MaxAge: 60, AllowCredentials: true };
    const made = await client.send(
      new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: 'NONE', Cors }),
    );
    expect(made.$metadata.httpStatusCode).toBe(201);
    expect(made).toMatchObject({
      ...{ FunctionArn: arnOf(FunctionName), AuthType: 'NONE', InvokeMode: 'BUFFERED', Cors },
      FunctionUrl: expect.stringMatching(new RegExp(`^${server.url}/lambda-url/[a-z2-7]{32}/$`)),
    });
    const again = client.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: 'NONE' }));
    expect((await refusalOf(again)).name).toBe('ResourceConflictException');
    const changed = await client.send(
      new UpdateFunctionUrlConfigCommand({
        FunctionName,
        AuthType: 'AWS_IAM',
        InvokeMode: 'RESPONSE_STREAM',
      }),
    );
    expect(changed).toMatchObject({
      AuthType: 'AWS_IAM',
      InvokeMode: 'RESPONSE_STREAM',
      FunctionUrl: made.FunctionUrl,
    });
    expect(await client.send(new GetFunctionUrlConfigCommand({ FunctionName }))).toMatchObject({
      AuthType: 'AWS_IAM',
      Cors,
    });
    const { FunctionUrlConfigs } = await client.send(new ListFunctionUrlConfigsCommand({ FunctionName }));
    expect(FunctionUrlConfigs).toMatchObject([{ FunctionUrl: made.FunctionUrl }]);
    const deleted = await client.send(new DeleteFunctionUrlConfigCommand({ FunctionName }));
    expect(deleted.$metadata.httpStatusCode).toBe(204);
    const gone = await refusalOf(client.send(new GetFunctionUrlConfigCommand({ FunctionName })));
    expect(gone).toMatchObject({ name: 'ResourceNotFoundException' });
    expect(gone.message).toBe('The resource you requested does not exist.');
    expect((await call(server, 'GET', new URL(String(made.FunctionUrl)).pathname)).status).toBe(403);
  });

  it.each([
    ['without an AuthType', {}, 'ValidationException'],
    ['with an unknown one', { AuthType: 'OPEN' }, 'ValidationException'],
    ['for a version', { AuthType: 'NONE', Qualifier: '1' }, 'ValidationException'],
    ['for an alias that there is not', { AuthType: 'NONE', Qualifier: 'live' }, 'ResourceNotFoundException'],
  ])('are refused %s', async (_what, input, name) => {
    await create(client, 'bare', SITE).catch(() => {});
    const sent = client.send(new CreateFunctionUrlConfigCommand({ FunctionName: 'bare', ...input } as never));
    expect((await refusalOf(sent)).name).toBe(name);
  });
});

describe('a function URL', () => {
  it('gives the function the request as an event of format 2.0', async () => {
    const headers = { Cookie: 'a=1; b=2', 'X-Own': 'ü', 'Content-Type': 'application/json' };
    const reply = await call(server, 'POST', `${url}a%2Fb/c?x=1&x=2&y=%20z`, { body: { n: 1 }, headers });
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({
      ...{ version: '2.0', routeKey: '$default', rawPath: '/a%2Fb/c', rawQueryString: 'x=1&x=2&y=%20z' },
      ...{ cookies: ['a=1', 'b=2'], queryStringParameters: { x: '1,2', y: ' z' } },
      ...{ body: '{"n":1}', isBase64Encoded: false, headers: { 'content-type': 'application/json' } },
      requestContext: {
        http: { method: 'POST', path: '/a%2Fb/c', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' },
        ...{ stage: '$default', accountId: '000000000000', requestId: reply.headers['x-amzn-requestid'] },
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
    });
  });

  it('gives what is no text in base64', async () => {
    const binary = await call(server, 'PUT', url, { body: Buffer.from([255, 0]) });
    expect(binary.json).toMatchObject({ body: '/wA=', isBase64Encoded: true });
    const lying = await call(server, 'POST', url, {
      body: Buffer.from([255]),
      headers: { 'Content-Type': 'text/plain' },
    });
    expect(lying.json).toMatchObject({ body: '/w==', isBase64Encoded: true });
    expect((await call(server, 'GET', url)).json).not.toHaveProperty('body');
  });

  it('answers with status, headers, cookies and body', async () => {
    const page = await call(server, 'GET', `${url}html`);
    expect([page.status, page.text]).toEqual([200, '<p>ä</p>']);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html',
      'x-own': 'a',
      // They come back to this URL alone, whatever the function says.
      'set-cookie': [`a=1; Secure; Path=${url}`, `b=2; Path=${url}`],
    });
    const answer = await fetch(`${server.url}${url}binary`);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(new Uint8Array([255, 0, 1]));
    expect(await textAt(`${url}text`)).toBe('plain');
    const moved = await call(server, 'GET', `${url}moved`);
    expect([moved.status, moved.headers.location]).toEqual([302, '/elsewhere']);
    expect((await call(server, 'DELETE', `${url}none`)).status).toBe(204);
    expect((await call(server, 'HEAD', `${url}html`)).text).toBe('');
  });

  it('has an origin of its own in a browser', async () => {
    const page = await call(server, 'GET', `${url}html`);
    expect(page.headers['content-security-policy']).toBe('sandbox allow-scripts allow-forms allow-popups');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
  });

  it.each(['throw', 'evil-header', 'evil-name', 'evil-status', 'evil-many'])(
    'says nothing of why %s failed',
    async (path) => {
      const reply = await call(server, 'GET', url + path);
      expect([reply.status, reply.text]).toEqual([502, 'Internal Server Error']);
      expect(reply.headers).not.toHaveProperty('x-evil');
    },
  );

  it('leaves out headers that are of the connection or of the whole address', async () => {
    const reply = await call(server, 'GET', `${url}evil-length`);
    expect(reply.text).toBe('whole');
    expect(reply.headers['content-length']).toBe('5');
    for (const name of ['transfer-encoding', 'clear-site-data'])
      expect(reply.headers).not.toHaveProperty(name);
  });

  it('is forbidden where it is unknown, not open, or its function is gone', async () => {
    await create(client, 'closing', SITE);
    const input = { FunctionName: 'closing', AuthType: 'AWS_IAM' } as const;
    const made = await client.send(new CreateFunctionUrlConfigCommand(input));
    const closed = new URL(String(made.FunctionUrl)).pathname;
    const paths = [`/lambda-url/${'a'.repeat(32)}/`, closed];
    for (const path of paths) {
      const reply = await call(server, 'POST', path, { body: 'x'.repeat(200_000) });
      expect([reply.status, reply.text]).toEqual([403, '{"Message":null}']);
    }
    await client.send(new UpdateFunctionUrlConfigCommand({ FunctionName: 'closing', AuthType: 'NONE' }));
    expect(await textAt(`${closed}text`)).toBe('plain');
    await client.send(new DeleteFunctionCommand({ FunctionName: 'closing' }));
    await create(client, 'closing', SITE);
    expect((await call(server, 'GET', `${closed}text`)).status).toBe(403);
  });

  it('is forbidden under another spelling of its id', async () => {
    const spelt = url.replace(/[a-z2-7]{32}/, (id) => `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`);
    expect((await call(server, 'GET', `${spelt}text`)).status).toBe(403);
  });

  it('gives out much data as it is, and reads no answer out of it', async () => {
    const many = await fetch(`${server.url}${url}many`);
    expect(await many.json()).toHaveLength(60_000);
    expect((await call(server, 'GET', `${url}many-and-more`)).status).toBe(502);
  });

  it('takes no body that is too large', async () => {
    const reply = await call(server, 'POST', url, { body: 'x'.repeat(7 * 1024 * 1024) });
    expect(reply.status).toBe(413);
  });

  it('answers whoever sends two requests at once in their order', async () => {
    const request = (path: string): string => `GET ${url}${path} HTTP/1.1\r\nHost: localhost\r\n`;
    const answers = await exchange(
      server,
      `${request('throw')}\r\n${request('text')}Connection: close\r\n\r\n`,
    );
    expect(answers).toMatch(/^HTTP\/1\.1 502 .*HTTP\/1\.1 200 .*plain$/s);
  });
});
