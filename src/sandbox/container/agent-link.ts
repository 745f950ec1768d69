/**
 * The conversation with one container's agent: calls into frames, frames into events.
 *
 * Owns the socket, the order of what is sent, and the check of what comes. Never decides what an answer means.
 * Invariant: bytes that break the protocol end in `violated`, once, never in an exception.
 */
import type { Socket } from 'node:net';
import { withCaller } from '../../core/caller.ts';
import type { CodeFiles } from '../../core/spec.ts';
import type { InvokeRequest, LoadRequest } from '../api.ts';
import { FILE, FRAME, type Frame, FrameError, FrameReader, FrameWriter, LOAD } from '../protocol/frames.ts';
import { type NetworkFields, type NetworkFrameType, sendNetworkFrame } from '../protocol/network-frames.ts';
import { codePath, lambdaEnvironment, loadPayload } from './lambda-environment.ts';
import { withProxy } from './proxy-environment.ts';

export interface AgentEvents {
  /** meta of the agent's first frame. */
  ready(about: string): void;
  frame(frame: Frame): void;
  violated(reason: string): void;
  closed(): void;
}

const CHUNK_BYTES = 256 * 1024;
/** What a frame takes beside what is in it. */
const FRAME_BYTES = 64;

export class AgentLink {
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  #broken = false;
  /** Since the agent had read all that was sent: bytes for its network. */
  #networkBytes = 0;
  /** Frames wait for this, in order; null when they need not. */
  #gate: Promise<void> | null = null;

  constructor(socket: Socket, maxFrameBytes: number, events: AgentEvents) {
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
    const reader = new FrameReader(maxFrameBytes, (frame) => {
      if (frame.type === FRAME.ready) events.ready(frame.meta);
      else events.frame(frame);
    });
    socket.on('data', (chunk: Buffer) => {
      if (this.#broken) return;
      try {
        reader.push(chunk);
      } catch (thrown) {
        this.#broken = true;
        events.violated(thrown instanceof FrameError ? thrown.message : String(thrown));
      }
    });
    socket.on('drain', () => {
      this.#networkBytes = 0;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => events.closed());
    socket.resume();
  }

  /** What is sent from now on waits until this has resolved. */
  holdUntil(done: Promise<void>): void {
    const before = this.#gate ?? Promise.resolve();
    const gate = before
      .then(() => done)
      .finally(() => {
        if (this.#gate === gate) this.#gate = null;
      });
    this.#gate = gate;
  }

  boot(instance: number, memoryMb: number): void {
    this.#send(() => this.#writer.send(FRAME.boot, instance, 0, { a: memoryMb }));
  }

  /** Sends code that the container does not have, after dropping what it has no room for. */
  code(digest: string, files: CodeFiles, dropped: readonly string[]): void {
    this.#send(() => {
      for (const old of dropped) this.#writer.send(FRAME.forget, 0, 0, { meta: old });
      for (const [path, { bytes, executable }] of files) {
        for (let at = 0; at === 0 || at < bytes.length; at += CHUNK_BYTES) {
          const flags = (executable ? FILE.executable : 0) | (at > 0 ? FILE.continues : 0);
          const payload = bytes.subarray(at, at + CHUNK_BYTES);
          this.#writer.send(FRAME.file, 0, 0, { flags, meta: `${digest}/${path}`, payload });
        }
      }
    });
  }

  load(instance: number, nonce: number, plain: LoadRequest): void {
    const request = plain.network === true ? { ...plain, env: withProxy(plain.env) } : plain;
    const { functionName, functionVersion, handler, initializer, env, memoryMb, codeDigest } = request;
    const { resultMaxBytes, logMaxBytes, initTimeoutMs, entry, initializerEntry } = request;
    const meta = JSON.stringify({
      ...{ functionName, functionVersion, handler, initializer, env, memoryMb, resultMaxBytes, logMaxBytes },
      ...{ codePath: codePath(codeDigest), entry, initializerEntry, initTimeoutMs },
    });
    const payload = loadPayload(codeDigest, request.runtime === 'provided' ? lambdaEnvironment(request) : {});
    const flags = plain.network === true ? LOAD.network : 0;
    const fields = { flags, a: logMaxBytes, b: resultMaxBytes, meta, payload };
    this.#send(() => this.#writer.send(FRAME.load, instance, nonce, fields));
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    const { timeoutMs, cpuMs, eventJson } = request;
    const fields = {
      a: timeoutMs,
      b: cpuMs,
      meta: withCaller(request.invocationId, request.caller),
      payload: eventJson,
    };
    this.#send(() => this.#writer.send(FRAME.invoke, instance, nonce, fields));
  }

  /** What was sent for the agent's network and has not left the server's memory, at most: code and events may wait beside it. */
  get unreadNetworkBytes(): number {
    return Math.min(this.#networkBytes, this.#socket.writableLength);
  }

  network(type: NetworkFrameType, instance: number, nonce: number, fields: NetworkFields): void {
    this.#networkBytes += FRAME_BYTES + (fields.meta?.length ?? 0) + (fields.payload?.length ?? 0);
    this.#send(() => sendNetworkFrame(this.#writer, type, instance, nonce, fields));
  }

  terminate(instance: number, nonce: number): void {
    this.#send(() => this.#writer.send(FRAME.terminate, instance, nonce));
  }

  dispose(instance: number): void {
    this.#send(() => this.#writer.send(FRAME.dispose, instance));
  }

  /** Nothing will be booted soon: what the agent keeps for the next instance may go. */
  rest(): void {
    this.#send(() => this.#writer.send(FRAME.rest, 0));
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(write: () => void): void {
    if (this.#gate === null) write();
    else
      void this.#gate.then(
        () => !this.#socket.destroyed && write(),
        () => undefined,
      );
  }
}
