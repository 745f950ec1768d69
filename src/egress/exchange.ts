/**
 * A request of the server itself, sent by the broker under the rules that hold for a function's.
 *
 * Owns one request: its body at the broker's pace, its answer's status, its time. Never reads the answer's body. Invariant:
 * nothing of it is left at the broker once the promise is settled.
 */
import type { AnswerHead, NetworkFailure, RequestHead } from '../guest/contract.ts';
import type { Clock } from '../ports/clock.ts';
import type { Frame } from '../sandbox/protocol/frames.ts';
import {
  CHUNK_BYTES,
  DATA,
  FETCH,
  NETWORK_FRAME,
  type NetworkFrameType,
  WINDOW_BYTES,
} from '../sandbox/protocol/network-frames.ts';
import { entryTextOf } from './allow-list.ts';
import type { EgressSession, Grant } from './session.ts';

export interface OwnRequest {
  /** Whose request it is, and what stands in for the function in the counts of requests at once. */
  readonly tenant: string;
  readonly functionId: string;
  readonly method: string;
  /** An http or https URL; its host and port are all that the request may reach. */
  readonly url: string;
  readonly headers: RequestHead['headers'];
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** What it needs of the egress. */
export interface SessionSource {
  open(grant: Grant): Pick<EgressSession, 'attach' | 'accept' | 'close'>;
}

const NUMBER = 1;
const NOTHING = Buffer.alloc(0);

/** The status of the answer. @throws Error that says why there was none. */
export const exchange = (egress: SessionSource, clock: Clock, request: OwnRequest): Promise<number> =>
  new Promise((resolve, reject) => {
    const entry = entryTextOf(new URL(request.url));
    const { tenant, functionId, body } = request;
    const session = egress.open({ tenant, functionId, allow: [entry], kind: 'exchange' });
    const timer = clock.setTimer(request.timeoutMs, () =>
      end(() => reject(new Error(`there was no answer within ${request.timeoutMs} ms`))),
    );
    let isOver = false;
    const end = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      session.close();
      settle();
    };
    const tell = (type: NetworkFrameType, fields: Partial<Frame>): void =>
      session.accept({
        ...{ type, flags: 0, instance: 0, nonce: 0, a: NUMBER, b: 0, c: 0, meta: '', payload: NOTHING },
        ...fields,
      });
    let sent = 0;
    let credit = WINDOW_BYTES;
    const upload = (): void => {
      while (!isOver && sent < body.length && credit > 0) {
        const next = Math.min(body.length - sent, credit, CHUNK_BYTES);
        const payload = Buffer.from(body.buffer, body.byteOffset + sent, next);
        sent += next;
        credit -= next;
        tell(NETWORK_FRAME.data, { flags: sent === body.length ? DATA.last : 0, payload });
      }
    };
    session.attach((type, { b = 0, meta = '' }) => {
      if (type === NETWORK_FRAME.head) {
        const { status } = JSON.parse(meta) as AnswerHead;
        end(() => resolve(status));
      } else if (type === NETWORK_FRAME.credit) {
        credit += b;
        upload();
      } else if (type === NETWORK_FRAME.end) {
        const { code, message } = JSON.parse(meta) as NetworkFailure;
        end(() => reject(new Error(`${code}: ${message}`)));
      }
    });
    const { method, url, headers } = request;
    const head: RequestHead = { method, url, headers, length: body.length };
    tell(NETWORK_FRAME.fetch, {
      ...{ flags: body.length > 0 ? FETCH.body : 0, meta: entry, payload: Buffer.from(JSON.stringify(head)) },
    });
    upload();
  });
