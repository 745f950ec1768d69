/** What the server takes and remembers: its sockets, its log, sizes, and the records of past invocations. */
import { CONTAINER_CODE_MAX_BYTES } from '../../core/limits.ts';
import { choice, group, optionalText, text, whole } from './nodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const SERVER = group('The HTTP server.', {
  host: text('127.0.0.1', 'The address to listen on.', { env: 'STRATA_HOST' }),
  port: whole(7070, [0, 65_535], 'The port to listen on; 0 takes any free one.', { env: 'STRATA_PORT' }),
  hostNames: optionalText(
    'The names under which a server with keys is called, as requests say in `Host`, separated by commas; `*` for any. ' +
      'Addresses and `localhost` are always taken; a server without keys takes loopback alone.',
  ),
  drainTimeoutMs: whole(
    30_000,
    [0, 3_600_000],
    'How long invocations in flight may go on after SIGTERM before they are stopped.',
  ),
  requestTimeoutMs: whole(
    30_000,
    [100, 3_600_000],
    'How long a client may take to send a whole request; a slower one is disconnected.',
  ),
  headersTimeoutMs: whole(
    10_000,
    [100, 3_600_000],
    'How long a client may take to send the headers of a request. A connection that was never used is closed after it, without an answer.',
  ),
  maxConnections: whole(
    10_000,
    [1, 1_000_000],
    'Connections open at the same time; one more is closed without an answer.',
  ),
  maxBodyBytesInFlight: whole(
    128 * MIB,
    [64 * KIB, 64 * 1024 * MIB],
    'What the bodies of unanswered requests may take together, counting bodies over 64 KiB; a request beyond ' +
      'it is refused with `overloaded`. A body alone is always taken, up to its own limit.',
  ),
});

export const LOG = group('The log of the server itself, one JSON object a line.', {
  level: choice(
    ['debug', 'info', 'warn', 'error', 'silent'],
    'info',
    'The least severe level that is written; `silent` writes nothing.',
  ),
});

export const LIMITS = group('Sizes of what callers and functions may hand over.', {
  eventMaxBytes: whole(
    6 * MIB,
    [1, 64 * MIB],
    'A larger event is refused with `payload_too_large` before it is read to its end.',
  ),
  resultMaxBytes: whole(6 * MIB, [1, 64 * MIB], 'A larger result fails with `result_too_large`.'),
  codeMaxBytes: whole(
    5 * MIB,
    [1, 64 * MIB],
    'The code of one function of the runtime `isolate`, unpacked, and its archive; more is refused with ' +
      '`payload_too_large`.',
  ),
  containerCodeMaxBytes: whole(
    64 * MIB,
    [1, CONTAINER_CODE_MAX_BYTES],
    'The same for functions of the runtimes `nodejs24`, `python3` and `provided`. A deployment takes several ' +
      'times as much memory while it is read.',
  ),
  maxVersions: whole(
    100,
    [1, 10_000],
    'Published versions of one function; one more is refused with `conflict`. Each keeps its code stored.',
  ),
  maxAliases: whole(50, [1, 1_000], 'Aliases of one function; one more is refused with `conflict`.'),
  initCpuMs: whole(
    5_000,
    [10, 60_000],
    'The CPU time that loading and initialising a function may take, whoever waits for it; more fails with `cpu_limit`.',
  ),
  logMaxBytes: whole(
    64 * KIB,
    [0, 16 * MIB],
    'What one invocation may log; further lines are dropped and the receipt says `logTruncated`.',
  ),
});

export const RECORDS = group('What is remembered of past invocations, in memory.', {
  maxInvocations: whole(10_000, [0, 1_000_000], 'Receipts kept; the oldest is forgotten first.'),
  maxLogLines: whole(
    1_000,
    [0, 100_000],
    'The newest log lines that one call gives out for a function; what is kept is bounded by `maxInvocations`, ' +
      'and by 32 Mi characters in all.',
  ),
});
