/**
 * What this machine can do for the isolate tier: each finding with the command that mends what is missing.
 *
 * Owns that part of the survey behind `strata doctor`. Never changes the machine. Confinement is tried out, not guessed.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { openCpuGroups } from '../../ports/cpu-groups.ts';
import { systemProcesses } from '../../ports/processes.ts';
import { findAddon } from './assets.ts';
import { surveyConfinement } from './tier.ts';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** The command or step that mends it; null when nothing has to be done. */
  readonly remedy: string | null;
  /** Everything is served without it, and more tightly confined with it. */
  readonly optional?: true;
}

const NODE_MAJOR = 24;

export const inspectMachine = async (): Promise<readonly Finding[]> => [
  node(),
  addon(),
  ...(await confinement()),
  namespaces(),
  cgroups(),
  await cpuShares(),
];

const found = (name: string, detail: string): Finding => ({ name, ok: true, detail, remedy: null });
const missing = (name: string, detail: string, remedy: string): Finding => ({
  name,
  ok: false,
  detail,
  remedy,
});

const node = (): Finding =>
  Number.parseInt(process.versions.node, 10) === NODE_MAJOR
    ? found('node', `Node ${process.version}, V8 ${process.versions.v8}`)
    : missing(
        'node',
        `Node ${process.version}; ${NODE_MAJOR} is needed`,
        'npm install (it brings the pinned Node)',
      );

const addon = (): Finding => {
  try {
    findAddon();
    return found('isolated-vm', 'a prebuilt addon fits this machine');
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return missing('isolated-vm', detail, 'npm rebuild isolated-vm');
  }
};

const confinement = async (): Promise<Finding[]> => {
  const findings: Finding[] = [];
  const survey = await surveyConfinement(systemProcesses);
  if (!survey.some(({ jail }) => jail.confinement.kind === 'bubblewrap')) {
    findings.push(missing('jail: bubblewrap', 'not installed', 'apt-get install bubblewrap'));
  }
  for (const { jail, reason } of survey) {
    const { kind, summary, gaps } = jail.confinement;
    findings.push(
      reason === null
        ? found(`jail: ${kind}`, `works: ${summary}`)
        : missing(`jail: ${kind}`, reason, gaps[0]?.remedy ?? 'sysctl -w user.max_user_namespaces=10000'),
    );
  }
  return findings;
};

const namespaces = (): Finding => {
  const limit = Number(read('/proc/sys/user/max_user_namespaces') ?? '0');
  return limit > 0
    ? found('user namespaces', `up to ${limit}`)
    : missing('user namespaces', 'switched off', 'sysctl -w user.max_user_namespaces=10000');
};

const cgroups = (): Finding => {
  const version = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? 2
    : existsSync('/sys/fs/cgroup/memory')
      ? 1
      : 0;
  if (version === 0)
    return missing('cgroups', 'no cgroup file system', 'mount -t cgroup2 none /sys/fs/cgroup');
  const folder = version === 2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
  return writable(folder)
    ? found('cgroups', `version ${version}, writable`)
    : missing(
        'cgroups',
        `version ${version}, read only for this user`,
        'run as root, or have a cgroup delegated',
      );
};

/** Tried out as the server does it, and taken back; what others have left stays. */
const cpuShares = async (): Promise<Finding> => {
  const name = 'CPU shares';
  const groups = await openCpuGroups();
  if (typeof groups === 'string')
    return {
      ...missing(
        name,
        `CPU time is not divided between tenants, hosts run nicer than the server: ${groups}`,
        'run as root, or have a cgroup delegated: systemd-run --user --scope -p Delegate=yes strata serve',
      ),
      optional: true,
    };
  await groups.close();
  return found(
    name,
    `a control group for each tenant's hosts, version ${groups.version}; containers have those of their engine`,
  );
};

const writable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};
