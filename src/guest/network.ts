/**
 * Requests to the network, as the bootstrap keeps them: what leaves as records and what comes back as events.
 *
 * Owns the numbers of requests and what may be sent for each. Knows nothing of HTTP; `globals/fetch.ts` does. Invariants:
 * a request belongs to the owner that began it and ends with it; whatever a function does to get at these functions,
 * nothing leaves that the host would take for a breach of the protocol. What a function does piece by piece leaves
 * together, once for an entry: a thousand parts of a byte are one record.
 */
import { NETWORK_CHUNK_BYTES, NETWORK_WINDOW_BYTES } from './contract.ts';
import { uncaught } from './errors.ts';
import type { NetworkListener, NetworkService } from './globals/services.ts';
import {
  MapDelete,
  MapForEach,
  MapGet,
  MapSet,
  MapSize,
  NumberOf,
  quote,
  SafeMap,
  StringIndexOf,
  StringSlice,
} from './primordials.ts';
import {
  limits,
  liveOwner,
  type Owner,
  onNetworkQuestion,
  record,
  requestsByNumber,
  resumeOwner,
  tellNetwork,
} from './records.ts';

export interface OpenRequest {
  readonly number: number;
  readonly owner: Owner;
  readonly listener: NetworkListener;
  /** Bytes of its body that may be sent now; below zero when it has none, or all of it was sent. */
  maySend: number;
  /** Bytes of the answer that came and were not used up. */
  outstanding: number;
  /** What is told with the next records: its beginning until that was told, parts of its body, whether they are all, credit. */
  beginning: string | null;
  body: string;
  ended: boolean;
  used: number;
}

/** As UTF-8 that is below what the server takes, whatever the characters are. */
const HEAD_MAX_CHARS = 85_000;
const TARGET_MAX_CHARS = 300;
const LOAD_OWNER = 0;
const NOTHING_MORE = Number.NEGATIVE_INFINITY;

let nextNumber = 1;

export const network: NetworkService = {
  begin(headJson, target, hasBody, listener) {
    const owner = liveOwner();
    if (owner === null) return failureJson('network_denied', 'the invocation is over');
    if (owner.number === LOAD_OWNER)
      return failureJson(
        'network_denied',
        'there is no network while the code is loaded; fetch in the handler',
      );
    if (MapSize(requestsByNumber) >= limits.requestsMax)
      return failureJson(
        'network_limit',
        `${limits.requestsMax} requests are under way, as many as one instance may have`,
        `{"kind":"networkRequestsAtOnce","configured":${limits.requestsMax},"observed":null}`,
      );
    if (typeof headJson !== 'string' || headJson.length > HEAD_MAX_CHARS)
      return failureJson('network_limit', 'the URL and the headers are too large');
    const number = nextNumber;
    nextNumber += 1;
    const maySend = hasBody ? NETWORK_WINDOW_BYTES : NOTHING_MORE;
    const beginning = `${number} ${hasBody ? 1 : 0} ${oneWord(target)}\n${headJson}`;
    const waiting = { beginning, body: '', ended: false, used: 0 };
    const request = { number, owner, listener, maySend, outstanding: 0, ...waiting };
    if (owner.requests === null) owner.requests = new SafeMap();
    MapSet(owner.requests, number, request);
    MapSet(requestsByNumber, number, request);
    return number;
  },
  send(number, text, last) {
    const request = MapGet(requestsByNumber, number);
    if (request === undefined || typeof text !== 'string') return;
    if (text.length > request.maySend || text.length > NETWORK_CHUNK_BYTES) return;
    request.maySend -= text.length;
    request.body += text;
    if (!last) return;
    request.maySend = NOTHING_MORE;
    request.ended = true;
  },
  credit(number, bytes) {
    const request = MapGet(requestsByNumber, number);
    if (request === undefined || !(bytes > 0 && bytes <= request.outstanding) || bytes % 1 !== 0) return;
    request.outstanding -= bytes;
    request.used += bytes;
  },
  quit(number) {
    const request = MapGet(requestsByNumber, number);
    if (request === undefined) return;
    close(request);
    // Nobody has heard of one that was begun just now.
    if (request.beginning === null) tellNetwork(request.owner, 'Q', `${number}`);
  },
  redirectsMax: () => limits.redirectsMax,
  windowBytes: NETWORK_WINDOW_BYTES,
  chunkBytes: NETWORK_CHUNK_BYTES,
};

/** The records about what an owner's requests did since the last ones; nothing changes by asking. */
const recordsOf = (owner: Owner): string => {
  let text = '';
  if (owner.requests === null) return text;
  MapForEach(owner.requests, ({ number, beginning, body, ended, used }) => {
    if (beginning !== null) text += record('F', owner, beginning);
    for (let at = 0; at < body.length; at += NETWORK_CHUNK_BYTES)
      text += record('B', owner, `${number} 0\n${StringSlice(body, at, at + NETWORK_CHUNK_BYTES)}`);
    if (ended) text += record('B', owner, `${number} 1\n`);
    if (used > 0) text += record('C', owner, `${number} ${used}`);
  });
  return text;
};

/** They were told. */
const told = (owner: Owner): void => {
  if (owner.requests === null) return;
  MapForEach(owner.requests, (request) => {
    request.beginning = null;
    request.body = '';
    request.ended = false;
    request.used = 0;
  });
};

onNetworkQuestion(recordsOf, told);

/** Hands what the network brought to the requests of an owner. */
export const takeEvents = (ownerNumber: number, text: string): void => {
  const owner = resumeOwner(ownerNumber);
  let at = 0;
  while (owner !== null && !owner.ended && at < text.length) {
    const space = StringIndexOf(text, ' ', at);
    const newline = StringIndexOf(text, '\n', at);
    const kind = text[at];
    const number = NumberOf(StringSlice(text, at + 1, space));
    const start = newline + 1;
    const end = start + NumberOf(StringSlice(text, space + 1, newline));
    at = end;
    const request = MapGet(requestsByNumber, number);
    if (request === undefined || request.owner !== owner) continue;
    try {
      deliver(request, kind, StringSlice(text, start, end));
    } catch (thrown) {
      uncaught(owner, thrown, 'What the network brought was not taken:');
    }
  }
};

const deliver = (request: OpenRequest, kind: string | undefined, payload: string): void => {
  const { listener } = request;
  if (kind === 'H') listener.head(payload);
  else if (kind === 'D') {
    request.outstanding += payload.length;
    listener.data(payload, false);
  } else if (kind === 'E') {
    close(request);
    listener.data(payload, true);
  } else if (kind === 'X') {
    close(request);
    listener.failed(payload);
  } else {
    const bytes = NumberOf(payload);
    request.maySend += bytes;
    listener.used(bytes);
  }
};

const close = (request: OpenRequest): void => {
  MapDelete(requestsByNumber, request.number);
  if (request.owner.requests !== null) MapDelete(request.owner.requests, request.number);
};

/** For people; a space or a line's end would shift the record's parts. */
const oneWord = (target: string): string => {
  if (typeof target !== 'string' || target.length > TARGET_MAX_CHARS) return '';
  return StringIndexOf(target, ' ') < 0 && StringIndexOf(target, '\n') < 0 ? target : '';
};

const failureJson = (code: string, message: string, limitJson = 'null'): string =>
  `{"code":${quote(code)},"message":${quote(message)},"refused":true,"limit":${limitJson}}`;
