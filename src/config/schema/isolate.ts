/** The keys of the isolate tier. */
import { MEMORY_BOUNDS } from '../../core/limits.ts';
import { choice, group, whole } from './nodes.ts';

export const ISOLATE = group('The isolate tier: host processes and the isolates in them.', {
  confinement: choice(
    ['auto', 'bubblewrap', 'unshare', 'process'],
    'auto',
    'How host processes are jailed; `auto` takes the strongest that this machine allows, any other value ' +
      'refuses to start without it.',
  ),
  pristineHosts: whole(2, [0, 50], 'Host processes kept ready that no tenant has used.'),
  maxPristineHosts: whole(
    8,
    [0, 100],
    'Demand may raise that to so many; what was raised goes again when demand does.',
  ),
  runtimesPerHost: whole(4, [0, 100], 'Isolates booted ahead in each host that no tenant has used.'),
  spareRuntimes: whole(
    2,
    [0, 100],
    "Isolates kept booted in a tenant's host for its next function: at most, the policy may say fewer.",
  ),
  maxHosts: whole(64, [1, 10_000], 'Host processes at once; when all are taken, invocations wait.'),
  maxInstancesPerHost: whole(100, [1, 10_000], 'Isolates in one host; a tenant with more gets another host.'),
  startParallelism: whole(2, [1, 64], 'Host processes that may be starting at the same time.'),
  bootParallelism: whole(2, [1, 64], 'Isolates that may be booting at the same time in one host.'),
  hostStartTimeoutMs: whole(
    10_000,
    [100, 120_000],
    'A host that is not up after this is killed, and its start fails with `start_failed`.',
  ),
  killGraceMs: whole(200, [0, 60_000], 'Between asking an isolate to stop and SIGKILL to its whole process.'),
  runtimeIdleMs: whole(
    60_000,
    [100, 86_400_000],
    "The longest that a tenant's booted isolates stay once no code is loaded beside them; the policy may say less.",
  ),
  hostIdleMs: whole(
    300_000,
    [100, 86_400_000],
    "The longest that a tenant's host stays up after that, with nothing in it; the policy may say less.",
  ),
  hostMemoryMb: whole(
    2_048,
    [128, 1_048_576],
    'The resident memory of one host; beyond it the process is killed, whatever runs in it.',
  ),
  memorySlackMb: whole(
    96,
    [16, 65_536],
    'How far a host may exceed the sum of what its isolates may use before the watchdog acts.',
  ),
  watchdogIntervalMs: whole(20, [1, 10_000], 'How often the memory of busy hosts is read.'),
  sweepIntervalMs: whole(1_000, [10, 600_000], 'How often the pool looks for what has been idle too long.'),
  runtimeMemoryMb: whole(
    MEMORY_BOUNDS.isolate.default,
    [MEMORY_BOUNDS.isolate.min, MEMORY_BOUNDS.isolate.max],
    'The memory size for which isolates are booted ahead; other sizes boot when they are needed.',
  ),
});
