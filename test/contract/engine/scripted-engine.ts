/**
 * A container engine that fails on demand: it listens on a real socket, keeps what it was asked to make, and loses answers.
 *
 * Owns its socket and its containers. Knows of a container no more than the server looks at; none of them ever runs.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Operation = 'create' | 'start' | 'inspect' | 'list' | 'remove';

/** What becomes of one request: whether it is done, and what is said about it. */
export type Failure =
  | 'not done, connection lost'
  | 'done, connection lost'
  | 'not done, refused'
  | 'done, refused'
  | 'not done, no answer'
  | 'done, no answer'
  | 'done, answer breaks off'
  /** Done when `land` is called; nothing is said. */
  | 'done later, connection lost'
  | 'done later, no answer'
  /** As an engine that has been told the same by somebody else. */
  | 'done later, in progress';

interface Reply {
  readonly status: number;
  readonly body?: unknown;
}

export class ScriptedEngine {
  readonly containers = new Map<string, Readonly<Record<string, string>>>();
  /** All requests, in their order. */
  readonly asked: Operation[] = [];
  readonly #folder: string;
  readonly #server: Server;
  readonly #failures = new Map<Operation, Failure[]>();
  readonly #later: (() => void)[] = [];
  #stuckTimes = 0;
  #waiting: { readonly resolve: (times: number) => void }[] = [];

  static async open(): Promise<ScriptedEngine> {
    const engine = new ScriptedEngine(await mkdtemp(join(tmpdir(), 'strata-scripted-')));
    await new Promise<void>((resolve) => engine.#server.listen(engine.#path, resolve));
    return engine;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get host(): string {
    return `unix://${this.#path}`;
  }

  get #path(): string {
    return join(this.#folder, 'docker.sock');
  }

  /** The next request of this kind fails so; further ones queue up. */
  fail(operation: Operation, failure: Failure): void {
    this.#failures.set(operation, [...(this.#failures.get(operation) ?? []), failure]);
  }

  /** Resolves with their number when more requests than these have come that get no answer. */
  stuck(times: number): Promise<number> {
    return new Promise((resolve) => {
      if (this.#stuckTimes > times) resolve(this.#stuckTimes);
      else this.#waiting.push({ resolve });
    });
  }

  onConnection(heard: (socket: Socket) => void): void {
    this.#server.on('connection', heard);
  }

  /** What was put off is done now. */
  land(): void {
    for (const act of this.#later.splice(0)) act();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://engine');
    const [operation, id] = operationOf(request.method ?? 'GET', pathname);
    // The end of a container is waited for on a connection of its own.
    if (operation === null) return;
    this.asked.push(operation);
    const act = (): Reply => this.#act(operation, id, text, searchParams);
    const failure = this.#failures.get(operation)?.shift();
    if (failure === undefined) answer(response, act());
    else this.#failing(failure, act, request, response);
  }

  #failing(failure: Failure, act: () => Reply, request: IncomingMessage, response: ServerResponse): void {
    const [when = '', how = ''] = failure.split(', ');
    const reply = when === 'done' ? act() : null;
    if (when === 'done later') this.#later.push(act);
    if (how === 'connection lost') request.socket.destroy();
    else if (how === 'refused') answer(response, { status: 500, body: { message: 'it went wrong' } });
    else if (how === 'in progress')
      answer(response, { status: 409, body: { message: 'removal of container is already in progress' } });
    else if (how === 'answer breaks off') {
      const body = Buffer.from(JSON.stringify(reply?.body ?? {}));
      response.writeHead(reply?.status ?? 200, { 'content-length': body.length + 100 });
      response.write(body, () => request.socket.destroy());
      this.#isStuck();
    } else this.#isStuck();
  }

  #isStuck(): void {
    this.#stuckTimes += 1;
    for (const { resolve } of this.#waiting.splice(0)) resolve(this.#stuckTimes);
  }

  #act(operation: Operation, id: string, text: string, search: URLSearchParams): Reply {
    if (operation === 'create') {
      const made = randomUUID();
      const { Labels } = JSON.parse(text) as { Labels: Readonly<Record<string, string>> };
      this.containers.set(made, Labels);
      return { status: 201, body: { Id: made } };
    }
    if (operation === 'list') {
      const { label } = JSON.parse(search.get('filters') ?? '{}') as { label: readonly string[] };
      const found = [...this.containers].filter(([, labels]) =>
        label.every((pair) => labels[pair.split('=')[0] ?? ''] === pair.split('=')[1]),
      );
      return { status: 200, body: found.map(([Id, Labels]) => ({ Id, Labels, State: 'created' })) };
    }
    if (!this.containers.has(id)) return { status: 404, body: { message: 'No such container' } };
    if (operation === 'inspect') return { status: 200, body: { State: { Running: false, Pid: 0 } } };
    if (operation === 'remove') this.containers.delete(id);
    return { status: 204 };
  }
}

const operationOf = (method: string, path: string): readonly [Operation | null, string] => {
  const [, , id = '', what = ''] = path.split('/');
  if (method === 'DELETE') return ['remove', id];
  if (method === 'GET') return id === 'json' ? ['list', ''] : ['inspect', id];
  if (id === 'create') return ['create', ''];
  return [what === 'start' ? 'start' : null, id];
};

const answer = (response: ServerResponse, { status, body }: Reply): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
};
