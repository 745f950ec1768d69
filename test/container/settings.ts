/** The settings of the container tier in tests: the defaults, with the engine of this machine. */
import type { ContainerSettings } from '../../src/sandbox/container/tiers.ts';
import { ENGINE_HOST } from './availability.ts';

export const TEST_SETTINGS: ContainerSettings = {
  mode: 'required',
  engineHost: ENGINE_HOST,
  ociRuntime: '',
  startTimeoutMs: 30_000,
  killGraceMs: 1_000,
  freezeAfterMs: 50,
  pidsMax: 64,
  tmpMb: 64,
  memoryMb: 128,
  fullCpuMb: 1_769,
  metering: 'auto',
  runDir: '',
};
