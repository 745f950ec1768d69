import { describe, expect, it } from 'vitest';
import { SECCOMP_PROFILE } from './seccomp.ts';
import {
  type ContainerTemplate,
  containerTemplate,
  differences,
  type InspectedContainer,
} from './template.ts';

const template = containerTemplate({
  ...{
    runtime: 'python3',
    imageId: 'sha256:aa',
    ociRuntime: '',
    socketFolder: '/run/x',
    hostsFile: '/run/h',
    uid: 20_007,
  },
  ...{
    memoryMb: 128,
    cpus: 1.5,
    pidsMax: 64,
    tmpMb: 64,
    codeMb: 80,
    maxFrameBytes: 1_000_000,
    appArmor: false,
  },
  labels: { 'strata.app': 'strata' },
});

type Loose = Record<string, unknown>;
const HOSTS = { Type: 'bind', Source: '/run/h', Destination: '/etc/hosts', RW: false };
const SOCKET = { Type: 'bind', Source: '/run/x', Destination: '/run/strata', RW: false };

/** What an engine reports when it did as it was told. */
const faithful = (): {
  Image: string;
  Config: Loose;
  HostConfig: Loose;
  Mounts: Loose[];
  State: InspectedContainer['State'];
} => {
  const { Image, HostConfig, ...config } = structuredClone(template) as unknown as ContainerTemplate;
  return {
    Image,
    Config: { ...config },
    HostConfig: {
      ...HostConfig,
      Binds: null,
      Devices: null,
      MaskedPaths: ['/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
      ReadonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
    Mounts: [SOCKET, HOSTS],
    State: { Pid: 1, Running: true },
  };
};

const profile = JSON.parse(SECCOMP_PROFILE) as {
  syscalls: { names: string[]; action: string; args: { index: number; value: number; op: string }[] }[];
};

describe('the template of a container', () => {
  it('is frozen to its leaves', () => {
    expect(Object.isFrozen(template.HostConfig.Tmpfs)).toBe(true);
    expect(() => {
      (template.HostConfig.CapDrop as string[]).push('NONE');
    }).toThrow(TypeError);
  });

  it('takes every capability but the three of the agent, the network, and the way to new privileges', () => {
    const { HostConfig } = template;
    expect(HostConfig.CapDrop).toEqual(['ALL']);
    expect(HostConfig.CapAdd).toEqual(['KILL', 'SETGID', 'SETUID']);
    expect(HostConfig.NetworkMode).toBe('none');
    expect(HostConfig.SecurityOpt[0]).toBe('no-new-privileges:true');
    expect(HostConfig.Memory).toBe(HostConfig.MemorySwap);
    expect(HostConfig.CpuQuota).toBe(150_000);
  });

  it('has the one limit on core files that a pattern with a pipe heeds, and lets nobody lower it', () => {
    expect(template.HostConfig.Ulimits).toContainEqual({ Name: 'core', Soft: 1, Hard: 1 });
    const limiting = profile.syscalls.filter(({ names }) => /setrlimit|prlimit64/.test(names.join()));
    expect(limiting).toHaveLength(3);
    for (const { names, args } of limiting)
      expect(args).toEqual([
        names[0] === 'setrlimit'
          ? { index: 0, value: 4, op: 'SCMP_CMP_NE' }
          : expect.toSatisfy(
              ({ index, value, op }) =>
                (index === 1 && value === 4 && op === 'SCMP_CMP_NE') ||
                (index === 2 && value === 0 && op === 'SCMP_CMP_EQ'),
            ),
      ]);
  });

  it('goes before the server when the machine runs out of memory, whatever its processes ask for', () => {
    expect(template.HostConfig.OomScoreAdj).toBe(400);
  });

  it('lets no system call through that reaches other processes or outlives them', () => {
    const allowed = new Set(
      profile.syscalls
        .filter(({ action, args }) => action === 'SCMP_ACT_ALLOW' && args.length === 0)
        .flatMap(({ names }) => names),
    );
    const forbidden = [
      ...[
        'ptrace',
        'process_vm_readv',
        'process_vm_writev',
        'pidfd_getfd',
        'kcmp',
        'shmget',
        'semget',
        'msgget',
      ],
      ...[
        'mq_open',
        'mount',
        'unshare',
        'setns',
        'pivot_root',
        'chroot',
        'io_uring_setup',
        'bpf',
        'keyctl',
        'add_key',
      ],
      ...[
        'userfaultfd',
        'sync',
        'syncfs',
        'cachestat',
        'perf_event_open',
        'mknod',
        'mknodat',
        'clock_settime',
        'reboot',
        'init_module',
        'kexec_load',
      ],
    ];
    expect(forbidden.filter((name) => allowed.has(name))).toEqual([]);
  });
});

describe('the check of a container against its template', () => {
  it('finds nothing in a container that is as it was asked for', () => {
    expect(differences(template, faithful())).toEqual([]);
  });

  it('takes capabilities in any order and with their prefix', () => {
    const container = faithful();
    container.HostConfig.CapAdd = ['CAP_SETUID', 'CAP_KILL', 'CAP_SETGID'];
    expect(differences(template, container)).toEqual([]);
  });

  const changes: readonly [
    what: string,
    change: { Image?: string; Config?: Loose; HostConfig?: Loose; Mounts?: Loose[] },
  ][] = [
    ['another image', { Image: 'sha256:bb' }],
    ['another entrypoint', { Config: { Entrypoint: ['/bin/sh'] } }],
    ['a check of health', { Config: { Healthcheck: { Test: ['CMD', '/bin/x'] } } }],
    ['another user', { Config: { User: '1000' } }],
    ['privilege', { HostConfig: { Privileged: true } }],
    ['one more capability', { HostConfig: { CapAdd: ['KILL', 'SETGID', 'SETUID', 'SYS_ADMIN'] } }],
    ['no dropped capability', { HostConfig: { CapDrop: null } }],
    [
      'another filter of system calls',
      { HostConfig: { SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined'] } },
    ],
    ['a writable root', { HostConfig: { ReadonlyRootfs: false } }],
    ['a network', { HostConfig: { NetworkMode: 'bridge' } }],
    ["the machine's processes", { HostConfig: { PidMode: 'host' } }],
    ['more memory', { HostConfig: { Memory: 0 } }],
    ['swap', { HostConfig: { MemorySwap: -1 } }],
    ['unbounded processes', { HostConfig: { PidsLimit: null } }],
    ['a device', { HostConfig: { Devices: [{ PathOnHost: '/dev/kmsg' }] } }],
    ['a bind', { HostConfig: { Binds: ['/:/host'] } }],
    ['an unmasked path', { HostConfig: { MaskedPaths: [] } }],
    ['a writable /proc/sys', { HostConfig: { ReadonlyPaths: null } }],
    ['an executable /tmp', { HostConfig: { Tmpfs: { '/tmp': 'rw' } } }],
    ['a writable socket folder', { Mounts: [{ ...SOCKET, RW: true }, HOSTS] }],
    [
      'one more mount',
      { Mounts: [SOCKET, HOSTS, { Type: 'bind', Source: '/', Destination: '/host', RW: false }] },
    ],
    ['a log on disk', { HostConfig: { LogConfig: { Type: 'json-file' } } }],
    ['a restart policy', { HostConfig: { RestartPolicy: { Name: 'always' } } }],
  ];
  it.each(changes)('finds %s', (_, change) => {
    const container = faithful();
    const changed = {
      ...container,
      ...change,
      Config: { ...container.Config, ...change.Config },
      HostConfig: { ...container.HostConfig, ...change.HostConfig },
    };
    expect(differences(template, changed)).toHaveLength(1);
  });
});
