import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import type { ProcessExit, ProcessHandle } from '../ports/processes.ts';
import { FRAME, type Frame, FrameReader, FrameWriter } from '../sandbox/protocol/frames.ts';
import {
  NETWORK_FRAME,
  NETWORK_FRAME_MAX_BYTES,
  sendNetworkFrame,
} from '../sandbox/protocol/network-frames.ts';
import { type RequestListener, Supervisor } from './supervisor.ts';

/** A broker that the test plays. */
class PlayedBroker implements ProcessHandle {
  readonly pid = 1;
  readonly channel: Duplex;
  readonly exited: Promise<ProcessExit>;
  readonly frames: Frame[] = [];
  killed = 0;
  readonly writer: FrameWriter;
  #exit: (exit: ProcessExit) => void = () => undefined;

  constructor() {
    const reader = new FrameReader(NETWORK_FRAME_MAX_BYTES, (frame) => void this.frames.push(frame));
    const channel = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        reader.push(chunk);
        done();
      },
    });
    this.channel = channel;
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
    this.writer = new FrameWriter({
      cork: () => undefined,
      uncork: () => undefined,
      write: (bytes) => channel.push(Buffer.from(bytes)),
    });
  }

  up(): void {
    this.writer.send(FRAME.ready, 0);
    this.writer.flush();
  }

  die(): void {
    this.#exit({ exitCode: null, signal: 'SIGKILL' });
  }

  stderrTail(): string {
    return 'it said this';
  }

  kill(): void {
    this.killed += 1;
    this.die();
  }

  stopped(): boolean {
    return false;
  }

  usage(): null {
    return null;
  }

  workerPid(): number {
    return this.pid;
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const supervise = (spawn: (broker: PlayedBroker) => void = (broker) => broker.up()) => {
  const clock = new ManualClock();
  const brokers: PlayedBroker[] = [];
  const faults: string[] = [];
  const supervisor = new Supervisor({
    ...{ clock, startTimeoutMs: 1_000, requestTimeoutMs: 5_000 },
    spawn: async () => {
      const broker = new PlayedBroker();
      brokers.push(broker);
      setImmediate(() => spawn(broker));
      return broker;
    },
    onFault: (message) => faults.push(message),
  });
  const heard: string[] = [];
  const listen = (name: string): RequestListener => ({
    head: (json) => heard.push(`${name} head ${json}`),
    data: (bytes, last) => heard.push(`${name} data ${bytes.length}${last ? ' last' : ''}`),
    used: (bytes) => heard.push(`${name} used ${bytes}`),
    failed: ({ code }) => heard.push(`${name} failed ${code}`),
    lost: (reason) => heard.push(`${name} lost: ${reason}`),
  });
  const ask = (name: string) => {
    const request = supervisor.request(listen(name));
    request.send(NETWORK_FRAME.fetch, { meta: name });
    return request;
  };
  const broker = (index = 0): PlayedBroker => {
    const found = brokers[index];
    if (found === undefined) throw new Error(`there is no broker ${index}`);
    return found;
  };
  return { clock, supervisor, brokers, broker, faults, heard, ask };
};

describe('the broker', () => {
  it('is started by the first request, once, and hears what was asked meanwhile', async () => {
    const { brokers, broker, ask } = supervise();
    expect(brokers).toHaveLength(0);
    ask('a');
    ask('b');
    await turns();
    expect(brokers).toHaveLength(1);
    expect(broker().frames.map(({ meta }) => meta)).toEqual(['a', 'b']);
  });

  it('answers each request by its own number', async () => {
    const { broker, heard, ask } = supervise();
    ask('a');
    ask('b');
    await turns();
    const [a, b] = broker().frames.map(({ nonce }) => nonce);
    sendNetworkFrame(broker().writer, NETWORK_FRAME.head, 0, b ?? 0, { meta: '{}' });
    sendNetworkFrame(broker().writer, NETWORK_FRAME.data, 0, a ?? 0, {
      flags: 1,
      payload: Buffer.from('xy'),
    });
    sendNetworkFrame(broker().writer, NETWORK_FRAME.credit, 0, b ?? 0, { b: 3 });
    sendNetworkFrame(broker().writer, NETWORK_FRAME.end, 0, b ?? 0, { meta: '{"code":"X","message":"y"}' });
    broker().writer.flush();
    await turns();
    expect(heard).toEqual(['b head {}', 'a data 2 last', 'b used 3', 'b failed X']);
  });

  it('that dies is told to every request once, and the next request starts another after a while', async () => {
    const { clock, brokers, broker, heard, faults, ask } = supervise();
    ask('a');
    await turns();
    broker().die();
    await turns();
    expect(heard).toEqual(['a lost: the egress broker ended during the request; send it again']);
    expect(faults).toEqual(['the egress broker died']);
    ask('b');
    await turns();
    expect(brokers).toHaveLength(1);
    await clock.advance(100);
    await turns();
    expect(brokers).toHaveLength(2);
    expect(broker(1).frames.map(({ meta }) => meta)).toEqual(['b']);
    expect(heard).toHaveLength(1);
  });

  it('is not started again when nobody asks', async () => {
    const { clock, brokers, broker, ask } = supervise();
    ask('a');
    await turns();
    broker().die();
    await turns();
    await clock.advance(60_000);
    await turns();
    expect(brokers).toHaveLength(1);
  });

  it('that keeps dying is started at longer and longer intervals', async () => {
    const { clock, brokers, ask } = supervise((broker) => broker.die());
    const delays: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      ask(`r${round}`);
      await turns();
      const before = brokers.length;
      let waited = 0;
      while (brokers.length === before && waited < 20_000) {
        ask('waiting');
        await clock.advance(100);
        await turns();
        waited += 100;
      }
      delays.push(waited);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  });

  it('that does not come up in time is killed, and who waited hears of it', async () => {
    const { clock, broker, heard, ask } = supervise(() => undefined);
    ask('a');
    await turns();
    await clock.advance(1_000);
    await turns();
    expect([broker().killed, heard]).toEqual([1, ['a lost: the egress broker could not be started']]);
  });

  it('that breaks the protocol is killed', async () => {
    const { broker, heard, faults, ask } = supervise();
    ask('a');
    await turns();
    broker().channel.push(Buffer.alloc(100, 0xff));
    await turns();
    expect(broker().killed).toBe(1);
    expect(faults[0]).toBe('the egress broker broke the protocol and is killed');
    expect(heard).toHaveLength(1);
  });

  it.each([FRAME.outcome, NETWORK_FRAME.fetch, 99])(
    'that sends a frame of type %i is killed',
    async (type) => {
      const { broker, ask } = supervise();
      ask('a');
      await turns();
      broker().writer.send(type as never, 0, 1);
      broker().writer.flush();
      await turns();
      expect(broker().killed).toBe(1);
    },
  );

  it.each(['', '{}', '{"code":1,"message":""}', 'null'])(
    'that fails a request with %j is killed',
    async (meta) => {
      const { broker, ask } = supervise();
      ask('a');
      await turns();
      sendNetworkFrame(broker().writer, NETWORK_FRAME.end, 0, broker().frames[0]?.nonce ?? 0, { meta });
      broker().writer.flush();
      await turns();
      expect(broker().killed).toBe(1);
    },
  );

  it('that stays silent beyond its own limit is killed, and its requests fail', async () => {
    const { clock, broker, heard, ask } = supervise();
    ask('a');
    await turns();
    await clock.advance(15_000);
    await turns();
    expect(broker().killed).toBe(1);
    expect(heard).toEqual(['a lost: the egress broker did not answer']);
  });

  it('is not held to the time that a request waited for it', async () => {
    const { clock, broker, brokers, heard, ask } = supervise();
    for (let death = 0; death < 8; death += 1) {
      ask('early');
      await clock.advance(10_000);
      await turns();
      broker(death).die();
      await turns();
    }
    heard.length = 0;
    ask('late');
    await clock.advance(10_000);
    await turns();
    expect(broker(8).frames.map(({ meta }) => meta)).toEqual(['late']);
    await clock.advance(14_000);
    await turns();
    expect([broker(8).killed, brokers.length, heard]).toEqual([0, 9, []]);
  });

  it('hears when nobody waits any more, and is not listened to after that', async () => {
    const { broker, heard, ask } = supervise();
    const request = ask('a');
    await turns();
    request.end();
    request.end();
    request.send(NETWORK_FRAME.data, {});
    sendNetworkFrame(broker().writer, NETWORK_FRAME.head, 0, broker().frames[0]?.nonce ?? 0, { meta: '{}' });
    broker().writer.flush();
    await turns();
    expect(broker().frames.map(({ type }) => type)).toEqual([NETWORK_FRAME.fetch, NETWORK_FRAME.end]);
    expect(heard).toEqual([]);
  });

  it('ends with the server', async () => {
    const { supervisor, broker, brokers, heard, ask } = supervise();
    ask('a');
    await turns();
    await supervisor.close();
    expect([broker().killed, heard]).toEqual([1, ['a lost: the server shuts down']]);
    expect(brokers).toHaveLength(1);
  });

  it('ends with the server while it is being started', async () => {
    const { supervisor, broker, ask } = supervise(() => undefined);
    ask('a');
    await Promise.resolve();
    const closing = supervisor.close();
    await turns();
    await closing;
    expect(broker().killed).toBeGreaterThan(0);
  });
});
