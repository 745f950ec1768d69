/**
 * How a host process is confined: the command line for each way that a machine may offer.
 *
 * Owns the jails. Never starts a process: `tier.ts` tries which of these works here.
 * Invariants: every jail gives an empty environment and no network where the kernel can; none hides what it lacks.
 */
import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import type { SpawnRequest } from '../../ports/processes.ts';
import type { Confinement, ConfinementGap } from '../api.ts';
import { type Assets, executable, worldReadable } from './assets.ts';

export interface Jail {
  readonly confinement: Confinement;
  /** Where the host finds the guest's bootstrap. */
  readonly guestPath: string;
  command(hostOptionsJson: string): SpawnRequest;
}

const NOBODY = 65_534;
const INSIDE = '/strata';
/** Node as a host needs it: no startup snapshot (isolated-vm asks for that), hardly any Wasm memory. */
const NODE_FLAGS = ['--no-node-snapshot', '--wasm-max-mem-pages=16', '--max-old-space-size=128'];
const INSTALL_BUBBLEWRAP: ConfinementGap = {
  missing: 'bubblewrap: hosts can read the files of this machine that their user can',
  remedy: 'apt-get install bubblewrap',
};

/** The jails that may work on this machine, the tightest first. */
export const possibleJails = (assets: Assets): Jail[] => {
  const isRoot = process.getuid?.() === 0;
  const readable = worldReadable(assets.nodePath, (path) => statSync(path).mode);
  const jails: Jail[] = [];
  const bubblewrap = executable('bwrap');
  const unshare = executable('unshare');
  if (bubblewrap !== null && isRoot && readable) jails.push(bubblewrapJail(assets, bubblewrap, 'nobody'));
  if (bubblewrap !== null) jails.push(bubblewrapJail(assets, bubblewrap, isRoot ? 'root' : 'self'));
  if (unshare !== null) jails.push(...unshareJails(assets, unshare, isRoot && readable));
  jails.push(processJail(assets, isRoot && readable));
  return jails;
};

const bubblewrapJail = (assets: Assets, command: string, user: 'nobody' | 'self' | 'root'): Jail => {
  const gaps: ConfinementGap[] =
    user === 'root'
      ? [
          {
            missing: 'an unprivileged user outside the jail: nobody cannot read the Node binary',
            remedy: `install Strata below folders that every user may enter, not at ${assets.nodePath}`,
          },
        ]
      : [];
  const flags = [
    ...['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts'],
    ...['--unshare-cgroup-try', '--disable-userns', '--cap-drop', 'ALL', '--clearenv'],
    ...['--die-with-parent', '--new-session', '--as-pid-1', '--hostname', 'strata'],
    ...['--uid', String(NOBODY), '--gid', String(NOBODY)],
    ...systemLibraries(),
    ...['--ro-bind', assets.nodePath, `${INSIDE}/node`],
    ...['--ro-bind', assets.hostPath, `${INSIDE}/host.mjs`],
    ...['--ro-bind', assets.guestPath, `${INSIDE}/guest.js`],
    ...['--ro-bind', assets.addonPath, `${INSIDE}/isolated_vm.node`],
    ...['--remount-ro', '/', '--chdir', '/'],
  ];
  return {
    confinement: {
      kind: 'bubblewrap',
      summary:
        `bubblewrap as ${user === 'self' ? 'this user' : user}: own user, PID, network, IPC, mount and cgroup ` +
        'namespaces, no writable file, empty environment',
      gaps,
    },
    guestPath: `${INSIDE}/guest.js`,
    command: (json) => ({
      ...limited(command, [...flags, '--', `${INSIDE}/node`, ...NODE_FLAGS, `${INSIDE}/host.mjs`, json]),
      ...(user === 'nobody' ? { uid: NOBODY, gid: NOBODY } : {}),
    }),
  };
};

/** The folders of the system's shared libraries, as they lie on this machine. */
const systemLibraries = (): string[] => {
  const flags: string[] = [];
  for (const folder of ['/usr/lib', '/usr/lib64', '/lib', '/lib64']) {
    if (!existsSync(folder)) continue;
    const link = lstatSync(folder).isSymbolicLink();
    flags.push(...(link ? ['--symlink', readlinkSync(folder), folder] : ['--ro-bind', folder, folder]));
  }
  return flags;
};

/**
 * Covers the files of the control groups, which are writable for the user that they were delegated to, and for root.
 * What follows replaces the shell. A host that cannot have it so does not start.
 */
const COVER_CGROUPS =
  'if [ -d /sys/fs/cgroup ]; then "$0" -n -t tmpfs -o ro,nosuid,nodev,noexec,size=4k none /sys/fs/cgroup || exit 1; fi; exec "$@"';

const unshareJails = (assets: Assets, command: string, asNobody: boolean): Jail[] => {
  const [setpriv, shell, mount] = ['setpriv', 'sh', 'mount'].map((name) => executable(name));
  if (!setpriv || !shell || !mount) return [];
  const namespaces = ['--net', '--pid', '--ipc', '--uts', '--mount', '--fork', '--kill-child=SIGKILL'];
  const common =
    'own PID, network, IPC and mount namespaces, no control groups, Node permission model, empty environment';
  const strip = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
  const jail = (unshared: readonly string[], user: readonly string[], summary: string): Jail => ({
    confinement: { kind: 'unshare', summary: `${summary}, ${common}`, gaps: [INSTALL_BUBBLEWRAP] },
    guestPath: assets.guestPath,
    command: (json) =>
      limited(command, [
        ...[...unshared, ...namespaces, shell, '-c', COVER_CGROUPS, mount, setpriv, ...user, ...strip],
        ...[assets.nodePath, ...permissionFlags(assets), assets.hostPath, json],
      ]),
  });
  const nobody = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
  return [
    ...(asNobody ? [jail([], nobody, 'unshare as nobody')] : []),
    // Who mounts is root of the user namespace, which is this user outside, and can do nothing more once stripped.
    jail(['--user', '--map-root-user'], [], 'unshare as this user: own user namespace'),
  ];
};

const processJail = (assets: Assets, asNobody: boolean): Jail => ({
  confinement: {
    kind: 'process',
    summary: `a plain process${asNobody ? ' as nobody' : ''}: Node permission model, empty environment`,
    gaps: [
      INSTALL_BUBBLEWRAP,
      {
        missing: 'namespaces: hosts share the network and the process list of this machine',
        remedy: 'sysctl -w user.max_user_namespaces=10000, or run with CAP_SYS_ADMIN',
      },
    ],
  },
  guestPath: assets.guestPath,
  command: (json) => ({
    ...limited(assets.nodePath, [...permissionFlags(assets), assets.hostPath, json]),
    ...(asNobody ? { uid: NOBODY, gid: NOBODY } : {}),
  }),
});

/** Node's own permission model: reading the host's files, loading the addon, nothing else. */
const permissionFlags = (assets: Assets): string[] => [
  ...NODE_FLAGS,
  '--permission',
  '--allow-addons',
  ...[assets.hostPath, assets.guestPath, assets.addonPath].map((path) => `--allow-fs-read=${path}`),
];

/**
 * No core dumps, no files, few descriptors: kernel limits that hold in every jail. A core pattern that is a pipe heeds no
 * limit but that of 1 byte, which is too small for a file.
 */
const limited = (command: string, args: readonly string[]): SpawnRequest => {
  const prlimit = executable('prlimit');
  if (prlimit === null) return { command, args };
  return { command: prlimit, args: ['--core=1', '--fsize=0', '--nofile=256', command, ...args] };
};
