/** The keys of asynchronous invocations: how many are kept, how many run, when they run again, what is remembered. */
import { group, whole } from './nodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const ASYNC = group('Asynchronous invocations: accepted now, run later.', {
  eventMaxBytes: whole(
    1 * MIB,
    [1, 6 * MIB],
    'A larger event is refused with `payload_too_large`; records for destinations have the same bound.',
  ),
  maxQueued: whole(
    100_000,
    [1, 1_000_000],
    'Events that have not ended, or whose record is still to be delivered; one more is refused with `overloaded`. Of the ' +
      'last fifth each tenant may take its fair share alone.',
  ),
  maxQueuedPerTenant: whole(50_000, [1, 1_000_000], 'How many of them may be of one tenant.'),
  maxQueuedMb: whole(1_024, [1, 1_048_576], 'What those events may take together; the same rule.'),
  maxQueuedMbPerTenant: whole(512, [1, 1_048_576], 'What those of one tenant may take.'),
  maxRunning: whole(
    32,
    [1, 10_000],
    'Asynchronous invocations that run at once. They take no place that a caller could not have as well: the last free ' +
      'place of the server, and of the tenant, is never theirs.',
  ),
  maxRunningPerTenant: whole(
    16,
    [1, 10_000],
    'How many of them may be of one tenant; of one function half of that, or one.',
  ),
  retryDelayMs: whole(
    1_000,
    [1, HOUR_MS],
    'The pause before the first further attempt; each one more doubles it. A half of it is random.',
  ),
  maxRetryDelayMs: whole(300_000, [1, HOUR_MS], 'The longest such pause.'),
  maxInterruptions: whole(
    5,
    [0, 1_000],
    'How often an event may be found running when the server starts after it was killed; once more and it has failed.',
  ),
  maxHops: whole(
    8,
    [0, 100],
    'How many invocations in a row destinations may make; the next one is not made, and the record is a dead letter.',
  ),
  resultMaxBytes: whole(
    256 * KIB,
    [0, 6 * MIB],
    'A larger result is not kept and not passed on; the invocation has succeeded all the same.',
  ),
  keepMs: whole(
    DAY_MS,
    [0, 30 * DAY_MS],
    'How long what has ended is remembered, with its result and its idempotency key.',
  ),
  maxKept: whole(100_000, [0, 10_000_000], 'How much of it is remembered; the oldest is forgotten first.'),
  maxKeptPerTenant: whole(20_000, [0, 10_000_000], 'The same of one tenant.'),
  maxKeptMb: whole(
    1_024,
    [0, 1_048_576],
    'What results and dead letters may take on the disk; who has most of it gives up its oldest first.',
  ),
  deadLetterKeepMs: whole(14 * DAY_MS, [0, 365 * DAY_MS], 'How long dead letters are kept.'),
  maxDeadLettersPerTenant: whole(10_000, [0, 1_000_000], 'How many of one tenant; the oldest goes first.'),
  maxDeliveries: whole(16, [1, 1_000], 'Records that are delivered to destinations at once.'),
  maxDeliveriesPerTenant: whole(4, [1, 1_000], 'How many of them may be of one tenant.'),
  maxDeliveryRetries: whole(
    5,
    [0, 100],
    'Further attempts to deliver a record to a webhook, or to a function whose queue is full.',
  ),
  webhookTimeoutMs: whole(
    10_000,
    [10, 60_000],
    'How long a webhook may take to answer; any status of 2xx will do.',
  ),
});
