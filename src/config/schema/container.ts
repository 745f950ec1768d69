/** The keys of the container tier. */
import { choice, group, optionalText, whole } from './nodes.ts';

export const CONTAINER = group(
  'The container tier: Docker containers, of which each holds one instance of a function.',
  {
    mode: choice(
      ['auto', 'off', 'required'],
      'auto',
      'Whether the runtimes `nodejs24`, `python3` and `provided` are served: `auto` serves those whose image is ' +
        'there when a Docker engine answers, `off` none, `required` refuses to start when none of them can be served.',
    ),
    engineHost: optionalText(
      "Where the Docker engine listens, such as `unix:///run/docker.sock`; empty for the client's own default.",
      { env: 'DOCKER_HOST' },
    ),
    ociRuntime: optionalText(
      "The OCI runtime that runs containers, such as `runsc`; empty for the engine's default.",
    ),
    pristine: whole(
      2,
      [0, 100],
      'Containers kept ready that no tenant has used, for each runtime whose image is there.',
    ),
    maxPristine: whole(
      8,
      [0, 100],
      'Demand may raise that to so many, for each runtime; what was raised goes again when demand does.',
    ),
    pristineRuntimes: whole(
      1,
      [0, 100],
      'How many of them have the runtime booted; the others hold nothing but the agent, which takes about a megabyte.',
    ),
    maxContainers: whole(
      20,
      [1, 1_000],
      'Containers at once for each runtime; when all are taken, invocations wait.',
    ),
    startParallelism: whole(2, [1, 64], 'Containers of a runtime that may be starting at the same time.'),
    refillPerSecond: whole(
      20,
      [1, 1_000],
      'Containers of a runtime that may be started ahead in a second; those that an invocation waits for are not ' +
        'held back.',
    ),
    startTimeoutMs: whole(
      30_000,
      [100, 600_000],
      'A container that is not up after this is killed, and its start fails with `start_failed`.',
    ),
    killGraceMs: whole(
      1_000,
      [0, 60_000],
      'Between asking a container to stop a function and killing the container.',
    ),
    freezeAfterMs: whole(
      50,
      [0, 3_600_000],
      'A container that is idle for so long, at whatever layer, is frozen until it is needed; 0 freezes none.',
    ),
    runtimeIdleMs: whole(
      60_000,
      [100, 86_400_000],
      "The longest that a booted runtime stays in a tenant's container without code; the policy may say less.",
    ),
    containerIdleMs: whole(
      300_000,
      [100, 86_400_000],
      "The longest that a tenant's container stays up after that, with nothing in it; the policy may say less.",
    ),
    sweepIntervalMs: whole(1_000, [10, 600_000], 'How often the pool looks for what has been idle too long.'),
    pidsMax: whole(64, [8, 4_096], 'Processes and threads in one container.'),
    tmpMb: whole(64, [1, 10_240], 'The size of `/tmp` in a container; what is in it counts as memory.'),
    memoryMb: whole(
      128,
      [64, 10_240],
      'The memory with which containers are made; each gets what its function asks for when that is loaded.',
    ),
    fullCpuMb: whole(
      1_769,
      [128, 10_240],
      'A function may use `memoryMb / fullCpuMb` vCPUs, at least one and at most those of the machine.',
    ),
    metering: choice(
      ['auto', 'cgroup', 'stats'],
      'auto',
      "Where CPU time and memory are read: the container's cgroup, which must be on this machine, or the engine's " +
        'statistics, which are coarser; `auto` takes the cgroup where it can be read.',
    ),
    runDir: optionalText(
      "The folder for the sockets that containers connect to; empty for one of the system's temporary folder. An " +
        'engine elsewhere must see it under the same path.',
    ),
  },
);
