import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openAccountsFixture } from '../accounts/fixture.ts';
import type { Placement } from '../pool/slot.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import { MEMORY, openRegistry } from '../registry/registry.ts';
import { placementOf } from './placement.ts';
import { Provisions } from './provisions.ts';
import { keepStored, LocalVersions } from './versions.ts';

const SPEC = { runtime: 'isolate', code: { source: '1' }, minInstances: 2 } as const;

const open = async () => {
  const registry = await openRegistry({
    ...{ dataDir: MEMORY, clock: new ManualClock(), random: seededRandom(1) },
    limits: { codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
  });
  for (const env of [{ N: '1' }, { N: '2' }]) {
    await registry.deploy('t', 'f', { ...SPEC, env });
    await registry.versions.publish('t', 'f');
  }
  const told: string[] = [];
  const lanes = {
    deployed: (_runtime: string, { label, minInstances }: Placement) =>
      void told.push(`${label} keeps ${minInstances}`),
    supersede: (group: string, key: string | null) => void told.push(`${group.split('/')[1]} is ${key}`),
  };
  const { holdings } = openAccountsFixture({ config: { quotas: { maxFunctions: 1, maxCodeBytes: 2 } } });
  for (const record of registry.stored()) holdings.keep(record);
  const versions = new LocalVersions({
    holdings,
    ...{ registry, lanes, logger: pino({ level: 'silent' }) },
    provisions: new Provisions({ budgetMb: 10_000, percentPerTenant: 50 }),
    change: (work) => work(),
    read: () => {},
  });
  const take = (): string[] => told.splice(0);
  return { registry, lanes, versions, holdings, take };
};

it('an alias that moves has its new versions kept ready, and its former ones no more', async () => {
  const { versions, take } = await open();
  const at = { tenant: 't' };
  await versions.putAlias('f', 'live', { version: '1' }, at);
  expect(take()).toEqual(['f@1 keeps 2']);
  await versions.putAlias('f', 'next', { version: '1', weights: { 2: 0 } }, at);
  expect(take()).toEqual(['f@2 keeps 2']);
  await versions.putAlias('f', 'live', { version: '2' }, at);
  expect(take()).toEqual([]);
  await versions.deleteAlias('f', 'next', at);
  expect(take()).toEqual(['f@1 keeps 0']);
  await versions.delete('f', '1', at);
  expect(take()).toEqual(['1 is null']);
});

it('changes that overtake each other end in what is stored, and nothing is kept of what is gone', async () => {
  const { registry, versions, take } = await open();
  const at = { tenant: 't' };
  await Promise.all([
    versions.putAlias('f', 'live', { version: '1' }, at),
    versions.putAlias('f', 'live', { version: '2' }, at),
    versions.delete('f', '1', at),
    registry.delete('t', 'f').then((deletion) => versions.functionDeleted(deletion)),
  ]);
  const told = take();
  for (const version of ['1', '2']) {
    const ofIt = told.filter((line) => line.startsWith(`f@${version} `) || line.startsWith(`${version} `));
    expect(ofIt.at(-1)).toBe(`${version} is null`);
  }
});

it('a server that starts keeps what is enabled: $LATEST, and the versions that aliases point to', async () => {
  const { registry, lanes, take } = await open();
  await registry.versions.putAlias('t', 'f', 'live', { version: '1' });
  keepStored(registry, lanes);
  expect(take()).toEqual(['f@$LATEST keeps 2', 'f@1 keeps 2']);
  await registry.deploy('t', 'f', { ...SPEC, enabled: false });
  keepStored(registry, lanes);
  expect(take()).toEqual([]);
  expect(placementOf(registry.get('t', 'f')).minInstances).toBe(0);
});

it('the code of a version counts for its tenant until the version is deleted, whatever is deployed then', async () => {
  const { registry, versions, holdings } = await open();
  const deploy = (source: string) =>
    registry.deploy('t', 'f', { ...SPEC, code: { source } }, holdings.accept);
  expect(holdings.of('t')).toEqual({ functions: 1, codeBytes: 1 });
  await deploy('2');
  await versions.publish('f', { tenant: 't' });
  await expect(deploy('3')).rejects.toMatchObject({ code: 'quota_exceeded' });
  expect(holdings.of('t')).toEqual({ functions: 1, codeBytes: 2 });
  await versions.delete('f', '1', { tenant: 't' });
  await expect(deploy('3')).rejects.toMatchObject({ code: 'quota_exceeded' });
  await versions.delete('f', '2', { tenant: 't' });
  await deploy('3');
  expect(holdings.of('t')).toEqual({ functions: 1, codeBytes: 2 });
});
