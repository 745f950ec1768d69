/**
 * What this machine's Docker engine can do for containers: each finding with the command that mends what is missing.
 *
 * Owns the container tier's part of the survey behind `strata doctor`. Never changes the machine or the engine.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { StrataError } from '../../core/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Finding } from '../isolate/machine.ts';
import { describeDockerHost, localSocket } from './docker-host.ts';
import { connectEngineImages, type EngineFacts, type EngineImages } from './images/engine-images.ts';
import { type ImageState, imageStates } from './images/state.ts';

/** @param dockerHost where the engine listens, '' for the usual socket; a bad one is a finding, too. */
export const inspectContainers = async (dockerHost: string, clock: Clock): Promise<readonly Finding[]> => {
  try {
    const engine = connectEngineImages(dockerHost, clock);
    const facts = await engine.facts();
    return [
      found(
        'docker',
        `engine ${facts.version}, API ${facts.apiVersion}, at ${describeDockerHost(dockerHost)}`,
      ),
      ...ociRuntimes(facts),
      cgroups(facts, localSocket(dockerHost) !== null),
      seccomp(facts),
      apparmor(facts),
      ...(await images(engine)),
    ];
  } catch (thrown) {
    if (!(thrown instanceof StrataError)) throw thrown;
    return [missing('docker', `${thrown.message} The isolate tier needs none.`, engineRemedy(thrown))];
  }
};

const found = (name: string, detail: string): Finding => ({ name, ok: true, detail, remedy: null });
const missing = (name: string, detail: string, remedy: string): Finding => ({
  ...{ name, ok: false, detail, remedy },
});

const tighter = (name: string, detail: string, remedy: string): Finding => ({
  ...missing(name, detail, remedy),
  optional: true,
});

const engineRemedy = ({ code }: StrataError): string => {
  if (code === 'invalid_request') return 'unset DOCKER_HOST, or set it to unix:///var/run/docker.sock';
  const installed = ['/usr/bin/dockerd', '/usr/sbin/dockerd', '/usr/local/bin/dockerd'].some(existsSync);
  const start = 'systemctl start docker, or start dockerd by hand (README, Containers)';
  return installed ? start : `apt-get install docker.io, then ${start}`;
};

const isRuntime =
  (...names: readonly string[]) =>
  (offered: string): boolean =>
    names.some((name) => offered === name || offered.startsWith(`${name}-`));
const isPlain = isRuntime('runc', 'crun');
const isStrong = isRuntime('runsc', 'kata');

/** The engine lists internal names of its own too; only those that can be asked for by name are told. */
const ociRuntimes = ({ ociRuntimes: offered }: EngineFacts): Finding[] => {
  const plain = offered.filter(isPlain);
  const strong = offered.filter(isStrong);
  const shown = [...plain, ...strong].join(', ') || 'none that is known';
  return [
    plain.length + strong.length > 0
      ? found('oci runtimes', shown)
      : missing('oci runtimes', shown, 'apt-get install runc && systemctl restart docker'),
    strong.length > 0
      ? found('oci runtime with a kernel of its own', strong.join(', '))
      : tighter(
          'oci runtime with a kernel of its own',
          "neither runsc (gVisor) nor kata: functions in containers reach this machine's kernel",
          'install runsc (https://gvisor.dev/docs/user_guide/install), then: runsc install && systemctl restart docker',
        ),
  ];
};

const V1_CONTROLLERS = ['cpuacct', 'freezer', 'memory', 'pids'];

/** Metering reads the files, freezing writes them; which ones there are is the engine's version's choice. */
const cgroups = ({ cgroupVersion, cgroupDriver }: EngineFacts, local: boolean): Finding => {
  const name = 'container cgroups';
  const what = `version ${cgroupVersion}, driver ${cgroupDriver}`;
  if (!local) {
    const detail = `${what}; the engine may be on another machine, its files cannot be used`;
    return missing(
      name,
      detail,
      "use the socket of this machine's engine: --engine-host unix:///var/run/docker.sock",
    );
  }
  const folders =
    cgroupVersion === '1'
      ? V1_CONTROLLERS.map((controller) => `/sys/fs/cgroup/${controller}`)
      : ['/sys/fs/cgroup'];
  const closed = folders.filter((folder) => !writable(folder));
  if (closed.length === 0) return found(name, `${what}, files writable`);
  const detail = `${what}; cannot be written: ${closed.join(', ')}`;
  return missing(name, detail, 'run as root, with /sys/fs/cgroup mounted writable');
};

const writable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

const option = ({ securityOptions }: EngineFacts, name: string): string | undefined =>
  securityOptions.find((text) => text.split(',')[0] === `name=${name}`);

const seccomp = (facts: EngineFacts): Finding => {
  const present = option(facts, 'seccomp');
  return present === undefined
    ? missing(
        'container seccomp',
        'the engine does not filter system calls',
        'use a kernel with CONFIG_SECCOMP_FILTER and an engine built with seccomp: apt-get install docker.io',
      )
    : found(
        'container seccomp',
        `offered (${present.split(',').slice(1).join(',') || 'no default profile'})`,
      );
};

const apparmor = (facts: EngineFacts): Finding =>
  option(facts, 'apparmor') === undefined
    ? tighter(
        'container apparmor',
        'the engine does not use it; namespaces, capabilities and seccomp hold without it',
        'apt-get install apparmor && systemctl restart docker (the kernel needs CONFIG_SECURITY_APPARMOR)',
      )
    : found('container apparmor', 'offered');

const images = async (engine: EngineImages): Promise<Finding[]> => {
  try {
    return (await imageStates(engine)).map(imageOf);
  } catch (thrown) {
    if (!(thrown instanceof StrataError)) throw thrown;
    return [missing('images', thrown.message, 'strata images list')];
  }
};

const imageOf = ({ runtime, name, present, sizeBytes, builtFrom, outdated }: ImageState): Finding => {
  const old = outdated.length === 0 ? '' : `; ${outdated.length} outdated: strata images prune removes them`;
  const title = `image: ${runtime}`;
  if (!present) return missing(title, `${name} is not there${old}`, `strata images build ${runtime}`);
  const megabytes = Math.round((sizeBytes ?? 0) / 1e6);
  return found(title, `${name}, ${megabytes} MB, built from the ${builtFrom ?? 'unknown'}${old}`);
};
