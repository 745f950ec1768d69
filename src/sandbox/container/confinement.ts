/**
 * How containers confine on this machine, as doctor, the start-up log and the API show it.
 */
import type { Confinement, ConfinementGap } from '../api.ts';
import type { EngineInfo } from './engine.ts';

/** OCI runtimes that put a kernel of their own between the function and this machine's. */
const OWN_KERNEL: ReadonlySet<string> = new Set(['runsc', 'kata', 'kata-runtime', 'io.containerd.kata.v2']);

/** @param ociRuntime the one in use. */
export const confinementOf = (info: EngineInfo, ociRuntime: string): Confinement => {
  const has = (name: string): boolean => info.securityOptions.some((option) => option.includes(name));
  const gaps: ConfinementGap[] = [];
  if (!has('apparmor') && !has('selinux'))
    gaps.push({ missing: 'no AppArmor or SELinux', remedy: 'install apparmor and restart the engine' });
  if (!has('userns') && !has('rootless'))
    gaps.push({
      missing: "the container's root is the machine's root, with three capabilities",
      remedy: 'start the engine with --userns-remap=default',
    });
  if (!OWN_KERNEL.has(ociRuntime))
    gaps.push({
      missing: "containers share the machine's kernel",
      remedy: 'install gVisor and set container.ociRuntime to "runsc"',
    });
  return {
    kind: 'docker',
    summary:
      `Docker ${info.version} with ${ociRuntime}: no network, read-only, no capability for the function, a filter ` +
      'of system calls, memory, CPU and processes bounded by the kernel',
    gaps,
  };
};
