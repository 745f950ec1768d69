/** What decides who runs, who waits and what is kept ready: admission, the queue, the policy, the machine's bounds. */
import { POLICY_NAMES } from '../../pool/policy/api.ts';
import { choice, group, whole } from './nodes.ts';

export const QUEUE = group('Invocations that wait for an instance.', {
  maxLength: whole(1_000, [0, 1_000_000], 'How many may wait in all; one more is refused with `overloaded`.'),
  maxLengthPerFunction: whole(
    200,
    [0, 1_000_000],
    'How many may wait for one function; one more is refused: with `concurrency_limit` when the function runs on ' +
      'all the instances that its `maxInstances` allows, else with `overloaded`. 0 lets none wait, so a function ' +
      'runs only where something is ready for it.',
  ),
  timeoutMs: whole(10_000, [0, 900_000], 'The longest wait; after it `queue_timeout`.'),
});

export const ADMISSION = group('Invocations inside the server, whether they run or wait.', {
  maxInFlight: whole(
    10_000,
    [1, 1_000_000],
    'How many may be inside the server, running or waiting for an instance; one more waits in line before it.',
  ),
  maxInFlightPerTenant: whole(
    2_000,
    [1, 1_000_000],
    'How many of them may be of one tenant, with those of it that wait in line; one more is refused with ' +
      '`concurrency_limit`. At most `maxInFlight`.',
  ),
  maxLength: whole(
    1_000,
    [0, 1_000_000],
    'How many may wait in that line, no longer than `queue.timeoutMs`; one more is refused with `overloaded`, or the ' +
      'newest of the tenant that has the most in it.',
  ),
  maxProvisionedPercent: whole(
    25,
    [0, 100],
    'The share of the memory for sandboxes that the `minInstances` of one tenant may ask for together, each counted at ' +
      "its function's `memoryMb`; a deployment that asks for more is refused with `conflict`.",
  ),
  reservePercent: whole(
    20,
    [0, 90],
    'The last share of the sandboxes and of their memory, which only tenants that have less than their fair share may ' +
      'take.',
  ),
});

export const POLICY = group('What is kept ready, and for how long.', {
  name: choice(
    [...POLICY_NAMES],
    'strata',
    'The policy that decides it: `strata` weighs what a start costs against the memory that waiting takes; the others ' +
      'are those it is measured against.',
  ),
});

export const MACHINE = group('How much of the machine sandboxes may take.', {
  memoryMb: whole(
    0,
    [0, 16_777_216],
    'The memory that all sandboxes may take together, as the costs of their layers are measured; 0 for 80 % of what ' +
      'the machine, or the control group of the server, has.',
  ),
  memoryHighPercent: whole(
    90,
    [10, 100],
    'While more of the memory than this is in use, whoever uses it, nothing is started ahead and what is idle is ended.',
  ),
  memoryLowPercent: whole(
    80,
    [1, 99],
    'Once that has begun it lasts until less than this is in use; below `memoryHighPercent`.',
  ),
  cpuHighPercent: whole(
    95,
    [10, 100],
    'While more of the CPU than this is in use, no code is loaded ahead but for `minInstances`, no more pristine ' +
      'sandboxes are kept than are set, and a function that has an instance gets no other sandbox unless its tenant ' +
      'has less than its fair share. 100 is never exceeded.',
  ),
  computingPerCpu: whole(
    2,
    [1, 1_000],
    'While a tenant keeps the CPU above `cpuHighPercent`, it runs no more invocations at once than that takes, and so ' +
      'many for each processor at the least; the others of it wait for their turn.',
  ),
  watermarkIntervalMs: whole(1_000, [100, 600_000], 'How often memory and CPU of the machine are read.'),
});
