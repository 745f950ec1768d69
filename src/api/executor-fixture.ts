/**
 * An executor for tests of the HTTP mapping: it does what the test says and nothing else.
 *
 * Not a stand-in for the real one, which the end-to-end tests use; a call that the test did not script fails.
 */
import { openAccountsFixture } from '../accounts/fixture.ts';
import { NO_USAGE } from '../billing/no-usage.ts';
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { AsyncQueue, Executor, FunctionVersions, InvokeJsonAnswer } from '../invocation/api.ts';

const unscripted = (name: string) => (): never => {
  throw new Error(`the test did not script executor.${name}`);
};

const UNSCRIPTED_QUEUE: AsyncQueue = {
  accept: unscripted('queue.accept'),
  get: async () => null,
  list: unscripted('queue.list'),
  cancel: unscripted('queue.cancel'),
  deadLetters: unscripted('queue.deadLetters'),
  redrive: unscripted('queue.redrive'),
  discard: unscripted('queue.discard'),
  webhookSecret: unscripted('queue.webhookSecret'),
  stats: unscripted('queue.stats'),
};

const VERSIONS: FunctionVersions = {
  publish: unscripted('versions.publish'),
  list: unscripted('versions.list'),
  delete: unscripted('versions.delete'),
  putAlias: unscripted('versions.putAlias'),
  alias: unscripted('versions.alias'),
  aliases: unscripted('versions.aliases'),
  deleteAlias: unscripted('versions.deleteAlias'),
  provision: unscripted('versions.provision'),
};

/** An executor of which only the given calls work. */
export const scriptedExecutor = (calls: Partial<Executor>): Executor => ({
  versions: VERSIONS,
  usage: NO_USAGE,
  stats: { of: unscripted('stats.of') },
  accounts: calls.accounts ?? openAccountsFixture(),
  deploy: unscripted('deploy'),
  invoke: unscripted('invoke'),
  invokeJson: unscripted('invokeJson'),
  queue: UNSCRIPTED_QUEUE,
  newInvocationId: () => ANSWER.invocationId,
  get: unscripted('get'),
  list: unscripted('list'),
  delete: unscripted('delete'),
  invocation: unscripted('invocation'),
  logs: unscripted('logs'),
  logPage: unscripted('logPage'),
  pools: unscripted('pools'),
  poolsOf: unscripted('poolsOf'),
  confinement: unscripted('confinement'),
  runtimes: () => [],
  state: () => 'ready',
  ready: async () => {},
  metrics: unscripted('metrics'),
  drain: async () => {},
  close: async () => {},
  ...calls,
});

export const ANSWER: InvokeJsonAnswer = {
  invocationId: '6a2f41a3-c54c-4b5d-8a1e-0f0e0d0c0b0a',
  version: '$LATEST',
  start: 'code',
  resultJson: Buffer.from('{"hello":"Ada"}'),
  failure: null,
  cuSeconds: 0.0000007,
  phases: [0.02, 0, 0, 0, 0, 0.1239],
};

export const FUNCTION_RECORD: FunctionRecord = {
  id: 'internal-id',
  tenant: 'default',
  name: 'hello',
  version: '$LATEST',
  revision: 'r1',
  runtime: 'isolate',
  handler: 'index.handler',
  memoryMb: 128,
  timeoutMs: 3_000,
  cpuMs: 1_000,
  processModel: 'resident',
  concurrency: 1,
  initializer: null,
  initTimeoutMs: 10_000,
  minInstances: 0,
  maxInstances: 50,
  reservedConcurrency: 0,
  idleTimeoutMs: 600_000,
  env: { MODE: 'test' },
  labels: { team: 'a' },
  annotations: {},
  description: '',
  network: { allow: [] },
  async: {
    ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
    ...{ onSuccess: null, onFailure: null },
  },
  enabled: true,
  auth: 'key',
  codeDigest: 'ab'.repeat(32),
  codeBytes: 42,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};

export const notFound = (name: string): StrataError =>
  new StrataError('not_found', `There is no function "${name}".`);
