/**
 * Offers requests to a server at a fixed rate, whatever it answers, or as fast as it answers; in a process of its own.
 *
 * Owns the connections, kept alive, with one request on each at a time, and the counts. A request that is due while all
 * connections wait for answers waits for one: its latency counts from when it was due. Speaks just enough HTTP to spend
 * little of the machine that it shares with the server.
 */
import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Summary, summarise } from './stats.ts';

export interface LoadPlan {
  readonly port: number;
  /** Connections take these in turn, and each stays with its own. */
  readonly paths: readonly string[];
  /** Whose functions they are; `default` unless told. */
  readonly tenant?: string;
  readonly body: string;
  /** Null for a closed loop: each connection sends again when it has its answer. */
  readonly ratePerSecond: number | null;
  readonly seconds: number;
  readonly connections: number;
  /** The status of a good answer; 200 unless told. */
  readonly accepts?: number;
}

export interface LoadReport {
  readonly sent: number;
  /** Good answers a second. */
  readonly goodput: number;
  /** From when it was due until the last byte of the answer, milliseconds. */
  readonly acceptedMs: Summary | null;
  /** Of 429, from when it was sent; how late it was sent stands beside it. */
  readonly refusedMs: Summary | null;
  readonly lateMs: Summary | null;
  readonly refused: number;
  readonly refusedWithoutRetryAfter: number;
  /** What is neither good nor 429, by what it was: an answer's status and code, a connection that broke, no answer. */
  readonly failures: Readonly<Record<string, number>>;
  /** Due and never sent, because every connection waited for an answer until the end. */
  readonly unsent: number;
  /** Of one core. */
  readonly cpuShare: number;
}

const GRACE_MS = 15_000;

/** Runs the plan in a process of its own. @param stop ends it before its time: it reports what it has. */
export const offerLoad = (plan: LoadPlan, stop?: AbortSignal): Promise<LoadReport> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: plan.seconds * 1_000 + 4 * GRACE_MS,
      killSignal: 'SIGKILL',
    });
    stop?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as LoadReport);
      else reject(new Error(`the load generator ended with ${code ?? signal}`));
    });
  });

class Generator {
  readonly #plan: LoadPlan;
  readonly #requests: readonly Buffer[];
  readonly #idle: Connection[] = [];
  readonly #due: number[] = [];
  readonly #acceptedMs: number[] = [];
  readonly #refusedMs: number[] = [];
  readonly #lateMs: number[] = [];
  #sent = 0;
  #answered = 0;
  #withoutRetryAfter = 0;
  readonly #failures: Record<string, number> = {};
  #ended = false;
  #stopped = false;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#requests = plan.paths.map((path) => requestTo(path, plan));
  }

  async run(): Promise<LoadReport> {
    const { connections, ratePerSecond, seconds } = this.#plan;
    const opened = Array.from({ length: connections }, (_, at) => this.#open(at));
    this.#idle.push(...(await Promise.all(opened)));
    const startedMs = performance.now();
    const endMs = startedMs + seconds * 1_000;
    const cpu = process.cpuUsage();
    if (ratePerSecond === null) for (const each of this.#idle.splice(0)) this.#send(each, performance.now());
    let made = 0;
    while (performance.now() < endMs && !this.#stopped) {
      if (ratePerSecond !== null) {
        const owed = Math.floor(((performance.now() - startedMs) / 1_000) * ratePerSecond);
        for (; made < owed; made += 1) this.#due.push(startedMs + (made / ratePerSecond) * 1_000);
        this.#sendDue();
      }
      await pause(1);
    }
    this.#ended = true;
    const { user, system } = process.cpuUsage(cpu);
    const tookS = (performance.now() - startedMs) / 1_000;
    const goodput = this.#acceptedMs.length / tookS;
    const graceUntilMs = performance.now() + GRACE_MS;
    while (this.#answered < this.#sent && performance.now() < graceUntilMs) await pause(10);
    this.#failed('no answer', this.#sent - this.#answered);
    return {
      ...{ sent: this.#sent, goodput, acceptedMs: summarise(this.#acceptedMs) },
      ...{ refusedMs: summarise(this.#refusedMs), lateMs: summarise(this.#lateMs) },
      ...{ refused: this.#refusedMs.length, refusedWithoutRetryAfter: this.#withoutRetryAfter },
      ...{ failures: this.#failures, unsent: this.#due.length },
      cpuShare: (user + system) / 1e6 / tookS,
    };
  }

  /** Sends nothing more, and reports once what is under way has been answered. */
  stop(): void {
    this.#stopped = true;
  }

  #sendDue(): void {
    while (this.#due.length > 0) {
      // The one that was used longest ago: none is left unused for so long that the server would close it.
      const connection = this.#idle.shift();
      if (connection === undefined) return;
      const due = this.#due.shift();
      if (due !== undefined) this.#send(connection, due);
    }
  }

  #send(connection: Connection, dueMs: number): void {
    this.#sent += 1;
    connection.dueMs = dueMs;
    connection.sentMs = performance.now();
    this.#lateMs.push(connection.sentMs - dueMs);
    connection.socket.write(connection.request);
  }

  #failed(what: string, count = 1): void {
    if (count > 0) this.#failures[what] = (this.#failures[what] ?? 0) + count;
  }

  #open(at: number): Promise<Connection> {
    const request = this.#requests[at % this.#requests.length];
    if (request === undefined) throw new Error('the plan names no path');
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#plan.port, host: '127.0.0.1', noDelay: true });
      const connection: Connection = { socket, request, dueMs: 0, sentMs: 0, received: Buffer.alloc(0) };
      socket.once('connect', () => resolve(connection));
      socket.once('error', reject);
      socket.on('data', (chunk) => this.#received(connection, chunk));
      socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(`connection: ${error.code}`));
      socket.on('close', () => this.#failed('connection closed'));
    });
  }

  #received(connection: Connection, chunk: Buffer): void {
    const { received } = connection;
    connection.received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const answer = answerIn(connection.received);
    if (answer === null) return;
    connection.received = Buffer.alloc(0);
    this.#answered += 1;
    const now = performance.now();
    if (answer.status === (this.#plan.accepts ?? 200)) this.#acceptedMs.push(now - connection.dueMs);
    else if (answer.status === 429) {
      this.#refusedMs.push(now - connection.sentMs);
      if (!answer.retryAfter) this.#withoutRetryAfter += 1;
    } else this.#failed(`${answer.status} ${answer.code ?? ''}`);
    if (this.#ended) return;
    if (this.#plan.ratePerSecond === null) this.#send(connection, now);
    else {
      this.#idle.push(connection);
      this.#sendDue();
    }
  }
}

const requestTo = (path: string, { port, tenant = 'default', body }: LoadPlan): Buffer => {
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n`;
  const length = `strata-tenant: ${tenant}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + length + body);
};

interface Connection {
  readonly socket: Socket;
  readonly request: Buffer;
  dueMs: number;
  sentMs: number;
  received: Buffer;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: boolean;
  /** What a problem says it is; null for the two statuses that are expected. */
  readonly code: string | null;
}

/** A whole answer with a length; null while it is not all there. */
export const answerIn = (received: Buffer): Answer | null => {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = received.toString('latin1', 0, headEnd).toLowerCase();
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without a length: ${head}`);
  if (received.length < headEnd + 4 + Number(length)) return null;
  const status = Number(head.slice(9, 12));
  const known = status === 200 || status === 429;
  const code = known ? null : (/"code":"(\w+)"/.exec(received.toString('latin1', headEnd))?.[1] ?? null);
  return { status, code, retryAfter: head.includes('\r\nretry-after: ') };
};

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

if (import.meta.main) {
  const generator = new Generator(JSON.parse(process.argv[2] ?? '') as LoadPlan);
  process.on('SIGTERM', () => generator.stop());
  const report = await generator.run();
  process.stdout.write(JSON.stringify(report), () => process.exit(0));
}
