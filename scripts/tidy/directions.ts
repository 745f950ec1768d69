/**
 * Which folder of `src/` may import what: core ← ports ← the domain folders ← invocation ← api, cli ← main, index.
 *
 * Owns the table. An entry is a folder (`core/`) or one file; an entry that nothing uses is an error, so the table
 * says what is, not what once was. Tests and fixtures may import more; they have a table of their own.
 */
import { posix } from 'node:path';
import type { Finding } from './finding.ts';
import { type Import, importsOf, type SourceFile } from './source.ts';

const CORE = 'core/';
const CLOCK = 'ports/clock.ts';

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ['core/heap.ts', 'core/errors.ts'],
  // The names to choose from are those that there are.
  config: [CORE, 'pool/policy/api.ts', 'billing/api.ts'],
  registry: [CORE, 'ports/', 'egress/addresses.ts', 'egress/allow-list.ts'],
  accounts: [CORE, 'ports/'],
  // What functions send and receive passes through in the frames and the words of sandboxes.
  egress: [
    ...[CORE, CLOCK, 'ports/processes.ts', 'guest/contract.ts'],
    ...['sandbox/network.ts', 'sandbox/protocol/', 'sandbox/isolate/assets.ts'],
  ],
  // Only what makes the bundle runs in the server and may fail with an error of the catalogue.
  guest: ['core/errors.ts'],
  sandbox: [CORE, 'ports/', 'guest/bundle.ts', 'guest/contract.ts', 'guest/resolve.ts'],
  pool: [CORE, CLOCK, 'sandbox/api.ts'],
  scheduler: [
    ...[CORE, CLOCK, 'ports/machine.ts'],
    ...['pool/budget.ts', 'pool/layered-pool.ts', 'pool/lease.ts', 'pool/slot.ts'],
  ],
  // Its webhooks and its runs are handed in: it knows neither the broker nor the executor.
  queue: [CORE, 'ports/', 'billing/receipts.ts'],
  billing: [CORE, CLOCK, 'ports/database.ts'],
  stats: [CORE, CLOCK, 'billing/receipts.ts'],
  // It wires pools and schedulers of its own: the very code that serves, on another clock and another tier.
  simulator: [CORE, 'ports/', 'pool/', 'sandbox/api.ts', 'scheduler/scheduler.ts'],
  invocation: [
    ...[
      CORE,
      'ports/',
      'accounts/accounts.ts',
      'accounts/api.ts',
      'scheduler/refusals.ts',
      'billing/api.ts',
      'billing/ledger.ts',
      'billing/receipts.ts',
      'billing/tariffs.ts',
      'registry/api.ts',
      'registry/entry.ts',
      'sandbox/api.ts',
      'sandbox/network.ts',
      'scheduler/admission.ts',
      'scheduler/scheduler.ts',
      'scheduler/turnstile.ts',
      'scheduler/turns.ts',
      'queue/api.ts',
      'stats/api.ts',
      'stats/collector.ts',
    ],
    ...['pool/api.ts', 'pool/budget.ts', 'pool/layered-pool.ts', 'pool/lease.ts', 'pool/slot.ts'],
  ],
  // It reaches a server as its clients do, and knows nothing of its insides.
  attack: [CORE, CLOCK],
  api: [
    ...[CORE, CLOCK, 'ports/database.ts', 'ports/random.ts', 'accounts/api.ts', 'invocation/api.ts'],
    ...['registry/spec-schema.ts', 'registry/alias-schema.ts'],
    ...['billing/api.ts', 'billing/csv.ts', 'billing/days.ts'],
  ],
  cli: [
    ...[CORE, CLOCK, 'config/config.ts', 'invocation/api.ts', 'pool/api.ts', 'billing/api.ts'],
    // `keys` works on the data folder of a server that does not run.
    ...['accounts/', 'ports/random.ts'],
    ...['api/lifecycle.ts', 'api/loopback.ts', 'api/server.ts'],
    // `doctor --attack` runs the hostile corpus, loaded only when asked for.
    'attack/',
    // `serve` starts the library and `doctor` surveys the machine, each loaded only when asked for.
    ...['index.ts', 'sandbox/isolate/machine.ts', 'sandbox/container/machine.ts'],
    // `images` builds what containers are made from.
    ...['ports/commands.ts', 'sandbox/container/images/'],
    // `sim` plays traces without a server.
    ...['simulator/', 'pool/policy/api.ts'],
  ],
  'pool-shapes.ts': [CORE, 'config/config.ts', 'pool/options.ts'],
  'ledger-parts.ts': ['billing/', 'config/config.ts', CLOCK, 'ports/database.ts'],
  'queue-parts.ts': [
    ...[CORE, CLOCK, 'ports/random.ts', 'billing/ledger.ts', 'billing/receipts.ts', 'config/config.ts'],
    ...['egress/exchange.ts', 'invocation/executor.ts', 'queue/api.ts', 'queue/queue.ts'],
    ...['registry/api.ts', 'scheduler/admission.ts'],
  ],
  'index.ts': [
    ...['pool-shapes.ts', 'queue-parts.ts'],
    ...['ledger-parts.ts', 'billing/api.ts', 'billing/operator-memory.ts'],
    ...[CORE, 'ports/', 'config/config.ts', 'accounts/', 'registry/', 'sandbox/api.ts'],
    ...['sandbox/isolate/tier.ts', 'sandbox/container/tiers.ts', 'sandbox/cpu-shares.ts', 'egress/'],
    ...['pool/budget.ts', 'pool/costs.ts', 'pool/layered-pool.ts', 'pool/options.ts'],
    ...['pool/policy/api.ts', 'pool/policy/policies.ts'],
    ...[
      'scheduler/admission.ts',
      'scheduler/cpu-fairness.ts',
      'scheduler/scheduler.ts',
      'scheduler/turnstile.ts',
    ],
    ...['scheduler/watermarks.ts', 'stats/collector.ts', 'invocation/'],
  ],
  'main.ts': ['cli/program.ts'],
};

/** What tests and their fixtures import beyond that. */
const ALLOWED_IN_TESTS: Readonly<Record<string, readonly string[]>> = {
  accounts: ['config/config.ts'],
  api: ['accounts/fixture.ts', 'ports/manual-clock.ts', 'billing/no-usage.ts'],
  billing: ['ports/manual-clock.ts'],
  cli: ['registry/code.ts'],
  stats: ['ports/manual-clock.ts', 'ports/random.ts'],
  egress: ['ports/manual-clock.ts'],
  // One suite for every backend; the ones that start processes run it from test/.
  sandbox: ['../test/contract/sandbox.suite.ts'],
  pool: ['ports/', 'sandbox/fake/backend.ts', 'sandbox/guard.ts', 'scheduler/scheduler.ts'],
  scheduler: [
    ...[
      'ports/manual-clock.ts',
      'ports/manual-machine.ts',
      'pool/fixture.ts',
      'pool/policy/',
      'sandbox/fake/backend.ts',
    ],
  ],
  invocation: [
    ...['accounts/fixture.ts', 'pool/fixture.ts', 'pool/costs.ts', 'queue/queue.ts', 'queue/testing.ts'],
    ...['billing/no-usage.ts', 'billing/ledger-store.ts', 'billing/usage.ts'],
    'registry/registry.ts',
    'sandbox/backend.ts',
    'sandbox/fake/backend.ts',
    'sandbox/guard.ts',
  ],
};

const HOST = 'src/sandbox/isolate/host/';

export const isTest = (path: string): boolean => /\.test\.ts$|(?:^|[/-])(?:fixture|testing)\.ts$/.test(path);

export const checkDirections = (files: readonly SourceFile[]): Finding[] => {
  const findings: Finding[] = [];
  const used = new Set<string>();
  for (const file of files) {
    for (const imported of importsOf(file)) {
      const wrong = directionOf(file, imported, used) ?? hostOf(file, imported);
      if (wrong !== null) findings.push({ path: file.path, line: imported.line, message: wrong });
    }
    // Tests of the guest run it in an isolate of their own; the server never imports a test.
    const mayLoad = file.path.startsWith(HOST) || isTest(file.path);
    if (!mayLoad && /\b(?:from|import|require)\s*\(?\s*'isolated-vm'/.test(file.code)) {
      const message = `isolated-vm is imported; only ${HOST} may, and the server starts that as a process`;
      findings.push({ path: file.path, line: 1, message });
    }
  }
  return [...findings, ...unused(used)];
};

const folderOf = (path: string): string => path.slice('src/'.length).split('/')[0] ?? '';

const directionOf = (file: SourceFile, { target }: Import, used: Set<string>): string | null => {
  const from = folderOf(file.path);
  if (isTest(target) && !isTest(file.path)) return `${target} is for tests; what both need lies elsewhere`;
  if (target.startsWith('src/') && folderOf(target) === from) return null;
  const inside = posix.relative('src', target);
  const matches = (entry: string): boolean =>
    entry.endsWith('/') ? inside.startsWith(entry) : inside === entry;
  const entry = ALLOWED[from]?.find(matches);
  if (entry !== undefined) {
    used.add(`${from} → ${entry}`);
    return null;
  }
  const inTests = isTest(file.path) ? ALLOWED_IN_TESTS[from]?.find(matches) : undefined;
  if (inTests === undefined) return `${from} may not import ${inside}; see scripts/tidy/directions.ts`;
  used.add(`${from} → ${inTests} (tests)`);
  return null;
};

const hostOf = (file: SourceFile, { target, typeOnly }: Import): string | null =>
  target.startsWith(HOST) && !file.path.startsWith(HOST) && !typeOnly
    ? `${target} runs inside a host; import its types with "import type", or speak to it in frames`
    : null;

const unused = (used: ReadonlySet<string>): Finding[] => {
  const entries = [
    ...Object.entries(ALLOWED).flatMap(([from, to]) => to.map((entry) => `${from} → ${entry}`)),
    ...Object.entries(ALLOWED_IN_TESTS).flatMap(([from, to]) =>
      to.map((entry) => `${from} → ${entry} (tests)`),
    ),
  ];
  return entries
    .filter((entry) => !used.has(entry))
    .map((entry) => ({
      path: 'scripts/tidy/directions.ts',
      line: 1,
      message: `nothing imports ${entry}; drop it from the table`,
    }));
};
