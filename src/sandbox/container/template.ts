/**
 * The one template from which every container is made, and the check of what the engine made of it.
 *
 * Owns each setting that confines a container. Never speaks to the engine. Invariants: a template is frozen to its
 * leaves; a container is used only after `differences` found none between its template and what the engine reports.
 */
import type { Runtime } from '../../core/spec.ts';
import { SECCOMP_PROFILE } from './seccomp.ts';

/** What varies from container to container; everything else is the same for all. */
export interface TemplateParameters {
  readonly runtime: Exclude<Runtime, 'isolate'>;
  /** The image by its content address, so that moving a tag changes nothing. */
  readonly imageId: string;
  /** The OCI runtime: `runc`, `runsc`, …; empty for the engine's default. */
  readonly ociRuntime: string;
  /** The folder on this machine that holds the agent's socket. */
  readonly socketFolder: string;
  /** The file on this machine that becomes the container's /etc/hosts. */
  readonly hostsFile: string;
  /** User and group of the function's processes, no other container's. */
  readonly uid: number;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly pidsMax: number;
  readonly tmpMb: number;
  readonly codeMb: number;
  /** No frame between agent and server is larger. */
  readonly maxFrameBytes: number;
  /** The engine has AppArmor: its default profile is asked for by name. */
  readonly appArmor: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export interface HostConfig {
  readonly Mounts: readonly {
    readonly Type: 'bind';
    readonly Source: string;
    readonly Target: string;
    readonly ReadOnly: true;
    readonly BindOptions: { readonly Propagation: 'rprivate' };
  }[];
  readonly Tmpfs: Readonly<Record<string, string>>;
  readonly Ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly SecurityOpt: readonly string[];
  readonly CapDrop: readonly string[];
  readonly CapAdd: readonly string[];
  readonly LogConfig: { readonly Type: 'none' };
  readonly RestartPolicy: { readonly Name: string };
  readonly [name: string]: unknown;
}

/** The body of the engine's `POST /containers/create`. */
export interface ContainerTemplate {
  readonly Image: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly User: string;
  readonly WorkingDir: string;
  readonly NetworkDisabled: true;
  /** An engine that shuts down would wait for containers which do not heed its first signal: none does. */
  readonly StopSignal: 'SIGKILL';
  /** An image's own check would run as root, beside the agent, at times that nobody chose. */
  readonly Healthcheck: { readonly Test: readonly ['NONE'] };
  readonly Labels: Readonly<Record<string, string>>;
  readonly HostConfig: HostConfig;
}

const AGENT = '/opt/strata/agent';
const SOCKET_MOUNT = '/run/strata';
const MB = 1024 * 1024;
const CPU_PERIOD_US = 100_000;
/** Files and folders that may lie in /tmp, and in /code. */
const TMP_INODES = 4_096;
export const CODE_INODES = 65_536;
const OPEN_FILES_MAX = 1_024;
const FILE_MAX_BYTES = 512 * MB;
/**
 * A core pattern that is a pipe has the machine's kernel start a program of the machine's for each crash, whatever the
 * limit, 0 included; 1 byte is the one limit that it heeds, and too small for a file.
 */
const CORE_BYTES = 1;
/**
 * The standing with the kernel's killer that no process in the container can get below, so that a function which
 * lowers its own goes before the server and its hosts all the same. The agent gives functions a higher one. An engine
 * without CAP_SYS_RESOURCE sets it as well, and then 0 is the least that a process can give itself.
 */
const OOM_SCORE_FLOOR = 400;
/** What the agent needs: to become the function's user, and to end that user's processes. */
const AGENT_CAPABILITIES = ['KILL', 'SETGID', 'SETUID'] as const;

export const containerTemplate = (parameters: TemplateParameters): ContainerTemplate => {
  const { runtime, imageId, uid, memoryMb, maxFrameBytes, labels } = parameters;
  return deepFreeze({
    Image: imageId,
    Entrypoint: [AGENT],
    Cmd: ['--runtime', runtime, '--uid', String(uid), '--max-frame', String(maxFrameBytes)],
    User: '0:0',
    WorkingDir: '/',
    NetworkDisabled: true,
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
    Labels: { ...labels },
    HostConfig: {
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: [...AGENT_CAPABILITIES],
      SecurityOpt: [
        'no-new-privileges:true',
        `seccomp=${SECCOMP_PROFILE}`,
        ...(parameters.appArmor ? ['apparmor=docker-default'] : []),
      ],
      ReadonlyRootfs: true,
      Mounts: [bind(parameters.socketFolder, SOCKET_MOUNT), bind(parameters.hostsFile, '/etc/hosts')],
      Tmpfs: {
        '/tmp': `rw,noexec,nosuid,nodev,size=${parameters.tmpMb}m,nr_inodes=${TMP_INODES},mode=1777`,
        '/code': `rw,exec,nosuid,nodev,size=${parameters.codeMb}m,nr_inodes=${CODE_INODES},mode=755`,
      },
      Memory: memoryMb * MB,
      MemorySwap: memoryMb * MB,
      PidsLimit: parameters.pidsMax,
      CpuPeriod: CPU_PERIOD_US,
      CpuQuota: Math.round(parameters.cpus * CPU_PERIOD_US),
      Ulimits: [
        { Name: 'nofile', Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX },
        { Name: 'fsize', Soft: FILE_MAX_BYTES, Hard: FILE_MAX_BYTES },
        { Name: 'core', Soft: CORE_BYTES, Hard: CORE_BYTES },
      ],
      NetworkMode: 'none',
      IpcMode: 'none',
      PidMode: '',
      UTSMode: '',
      UsernsMode: '',
      CgroupnsMode: 'private',
      LogConfig: { Type: 'none' },
      RestartPolicy: { Name: '' },
      AutoRemove: false,
      Init: false,
      PublishAllPorts: false,
      OomKillDisable: false,
      OomScoreAdj: OOM_SCORE_FLOOR,
      ...(parameters.ociRuntime === '' ? {} : { Runtime: parameters.ociRuntime }),
    },
  });
};

const bind = (Source: string, Target: string): HostConfig['Mounts'][number] => ({
  ...{ Type: 'bind', Source, Target, ReadOnly: true },
  BindOptions: { Propagation: 'rprivate' },
});

/** What the engine reports of a container, as far as the check reads it. */
export interface InspectedContainer {
  readonly Image: string;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Mounts: readonly Readonly<Record<string, unknown>>[];
  readonly State: { readonly Pid: number; readonly Running: boolean };
}

/** Settings of the engine that a template never makes: any value but nothing is a hole. */
const MUST_BE_EMPTY = [
  ...['Binds', 'VolumesFrom', 'Devices', 'DeviceCgroupRules', 'DeviceRequests', 'GroupAdd', 'ExtraHosts'],
  ...['PortBindings', 'Links', 'Sysctls', 'CgroupParent', 'Dns', 'DnsOptions', 'DnsSearch', 'StorageOpt'],
] as const;
/** Paths of /proc and /sys that the engine hides or protects; fewer would mean that somebody opened them. */
const MASKED = ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'];
const PROTECTED = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** In words, everything in which a container is not what its template says; empty when it is. */
export const differences = (template: ContainerTemplate, seen: InspectedContainer): readonly string[] => {
  const found: string[] = [];
  const expect = (name: string, wanted: unknown, actual: unknown): void => {
    if (canonical(wanted) !== canonical(actual))
      found.push(`${name} is ${brief(actual)}, ${brief(wanted)} was asked for`);
  };
  expect('Image', template.Image, seen.Image);
  for (const name of ['Entrypoint', 'Cmd', 'User', 'WorkingDir', 'StopSignal'] as const)
    expect(name, template[name], seen.Config[name]);
  expect('Healthcheck', template.Healthcheck.Test, healthcheckOf(seen.Config.Healthcheck));
  // The image's own labels come on top.
  const labels = (seen.Config.Labels ?? {}) as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(template.Labels)) expect(`label ${name}`, value, labels[name]);
  const { HostConfig: wanted } = template;
  for (const [name, value] of Object.entries(wanted)) {
    if (name === 'Mounts') continue;
    const actual = seen.HostConfig[name];
    if (name === 'LogConfig') expect('LogConfig.Type', 'none', (actual as { Type?: unknown })?.Type);
    else if (name === 'RestartPolicy') expect(name, '', restartOf(actual));
    else if (SETS.has(name)) expect(name, asSet(value), asSet(actual));
    else expect(name, value, actual);
  }
  for (const name of MUST_BE_EMPTY)
    if (!isEmpty(seen.HostConfig[name])) found.push(`${name} is ${brief(seen.HostConfig[name])}`);
  found.push(
    ...missing('MaskedPaths', MASKED, seen.HostConfig),
    ...missing('ReadonlyPaths', PROTECTED, seen.HostConfig),
  );
  expect(
    'Mounts',
    asSet(wanted.Mounts.map(({ Source, Target }) => [Source, Target, false])),
    asSet(
      seen.Mounts.filter(({ Type }) => Type !== 'tmpfs').map(({ Source, Destination, RW }) => [
        Source,
        Destination,
        RW,
      ]),
    ),
  );
  return found;
};

/** Lists of which the engine may change the order, or write the names with a prefix. */
const SETS: ReadonlySet<string> = new Set(['CapAdd', 'CapDrop', 'SecurityOpt', 'Ulimits']);

const asSet = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map((entry) => canonical(typeof entry === 'string' ? entry.replace(/^CAP_/, '') : entry)).sort()
    : value;

/** No check at all is as good as one that was taken away. */
const healthcheckOf = (check: unknown): unknown => (check as { Test?: unknown } | null)?.Test ?? ['NONE'];

/** The engine reports the policy `no` as it was asked for, or by its name. */
const restartOf = (policy: unknown): unknown => {
  const name = (policy as { Name?: unknown } | null)?.Name;
  return name === 'no' ? '' : name;
};

const missing = (
  name: string,
  wanted: readonly string[],
  hostConfig: Readonly<Record<string, unknown>>,
): string[] => {
  const paths = hostConfig[name];
  const listed = Array.isArray(paths) ? paths : [];
  const lacking = wanted.filter((path) => !listed.includes(path));
  return lacking.length === 0 ? [] : [`${name} lacks ${lacking.join(', ')}`];
};

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

/** One text for equal values, whatever the order of their keys. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ) ?? 'nothing';

const BRIEF_CHARS = 120;
const brief = (value: unknown): string => canonical(value).slice(0, BRIEF_CHARS);

const deepFreeze = <Value>(value: Value): Value => {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
};
