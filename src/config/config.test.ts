import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { POLICY_NAMES } from '../pool/policy/api.ts';
import { type Config, describeConfig, loadConfig } from './config.ts';
import { CONFIG_KEYS, type ConfigKey, keysOf } from './schema.ts';

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof StrataError)) throw error;
    expect(error.code).toBe('invalid_request');
    return error.message;
  }
  throw new Error('was not refused');
};

const nested = (key: ConfigKey, value: unknown): object =>
  key.segments.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

/** What leaves the other key of a pair room for any value. */
const WIDEST = {
  admission: { maxInFlight: 1_000_000, maxInFlightPerTenant: 1 },
  machine: { memoryLowPercent: 1, memoryHighPercent: 100 },
};

const file = (content: unknown) => ({ file: '/etc/strata.json', readText: () => JSON.stringify(content) });

describe('loadConfig', () => {
  it('gives the documented defaults', () => {
    const config = loadConfig();
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 7070, drainTimeoutMs: 30_000 });
    expect(config.limits).toEqual({
      eventMaxBytes: 6_291_456,
      initCpuMs: 5_000,
      maxVersions: 100,
      maxAliases: 50,
      resultMaxBytes: 6_291_456,
      codeMaxBytes: 5_242_880,
      containerCodeMaxBytes: 67_108_864,
      logMaxBytes: 65_536,
    });
    expect(config.dataDir).toBe('./data');
    expect(config.isolate.runtimeMemoryMb).toBe(128);
  });

  it('lets each source override the one before: default, file, environment, code', () => {
    const sources = file({ server: { port: 1 }, queue: { maxLength: 1, timeoutMs: 1 }, dataDir: 'f' });
    const env = { STRATA_QUEUE_MAX_LENGTH: '2', STRATA_DATA_DIR: 'e', HOME: '/root' };
    const config = loadConfig({ ...sources, env, overrides: { dataDir: 'o', server: { port: undefined } } });
    expect(config.server.port).toBe(1);
    expect(config.queue).toEqual({ maxLength: 2, timeoutMs: 1, maxLengthPerFunction: 200 });
    expect(config.dataDir).toBe('o');
  });

  it('reads the short names STRATA_HOST and STRATA_PORT, and the file that STRATA_CONFIG names', () => {
    const env = { STRATA_HOST: '::1', STRATA_PORT: '0', STRATA_CONFIG: '/c.json' };
    const seen: string[] = [];
    const readText = (path: string) => {
      seen.push(path);
      return '{"log":{"level":"silent"}}';
    };
    const config = loadConfig({ env, readText });
    expect(config.server).toMatchObject({ host: '::1', port: 0 });
    expect(config.log.level).toBe('silent');
    expect(seen).toEqual(['/c.json']);
  });

  it('finds the engine where DOCKER_HOST says, as every client of Docker does', () => {
    expect(loadConfig().container).toMatchObject({ mode: 'auto', engineHost: '', ociRuntime: '' });
    const env = { DOCKER_HOST: 'unix:///run/d.sock', STRATA_CONTAINER_OCI_RUNTIME: 'runsc' };
    expect(loadConfig({ env }).container).toMatchObject({
      ...{ engineHost: 'unix:///run/d.sock', ociRuntime: 'runsc' },
    });
  });

  it('freezes the result all the way down', () => {
    const config = loadConfig();
    expect(Object.isFrozen(config) && Object.isFrozen(config.server) && Object.isFrozen(config.isolate)).toBe(
      true,
    );
  });

  it('names key, value, bound and source of a bad value', () => {
    const message = refusal(() => loadConfig({ env: { STRATA_PORT: '65536' } }));
    expect(message).toBe(
      'server.port must be an integer from 0 to 65535; seen 65536 in environment variable STRATA_PORT.',
    );
    expect(refusal(() => loadConfig(file({ log: { level: 'loud' } })))).toBe(
      'log.level must be one of debug, info, warn, error, silent; seen "loud" in file /etc/strata.json.',
    );
  });

  it.each(['7070.5', '0x10', '1e3', 'NaN', ' 1', '9'.repeat(400)])(
    'refuses %j as a number in the environment',
    (value) => {
      expect(refusal(() => loadConfig({ env: { STRATA_PORT: value } })).length).toBeLessThan(300);
    },
  );

  it('counts an empty variable as not set', () => {
    expect(loadConfig({ env: { STRATA_PORT: '' } }).server.port).toBe(7070);
  });

  it.each([null, '1', 1.5, Number.NaN, Number.POSITIVE_INFINITY, true, [], {}])(
    'refuses %j as a number in a file or in code',
    (value) => {
      refusal(() => loadConfig({ overrides: { queue: { maxLength: value as never } } }));
    },
  );

  it('refuses unknown keys in every source, prototype names included', () => {
    expect(refusal(() => loadConfig(file({ server: { prot: 1 } })))).toContain('server.prot');
    expect(refusal(() => loadConfig({ overrides: { nope: 1 } as never }))).toContain('nope');
    expect(refusal(() => loadConfig({ env: { STRATA_QUEUE_MAXLENGTH: '1' } }))).toContain(
      'STRATA_QUEUE_MAXLENGTH',
    );
    for (const text of [
      '{"__proto__":{}}',
      '{"server":{"__proto__":1}}',
      '{"constructor":{}}',
      '{"toString":1}',
    ])
      refusal(() => loadConfig({ file: 'f', readText: () => text }));
    expect(({} as { port?: number }).port).toBeUndefined();
  });

  it('leaves variables alone that belong to no group: they are for others', () => {
    expect(() => loadConfig({ env: { STRATA_URL: 'x', STRATA_TENANT: 'y' } })).not.toThrow();
  });

  it('refuses a file that is missing, not JSON, or not an object', () => {
    expect(refusal(() => loadConfig({ file: '/nonexistent/strata.json' }))).toContain(
      '/nonexistent/strata.json',
    );
    refusal(() => loadConfig({ file: 'f', readText: () => '{' }));
    for (const text of ['[]', 'null', '7', '{"server":[]}', '{"server":3}', '{"server":null}'])
      refusal(() => loadConfig({ file: 'f', readText: () => text }));
  });

  it('refuses values that contradict each other, naming both', () => {
    const message = refusal(() => loadConfig({ overrides: { isolate: { pristineHosts: 3, maxHosts: 2 } } }));
    expect(message).toContain('isolate.pristineHosts');
    expect(message).toContain('isolate.maxHosts');
  });

  it.each([
    [
      { machine: { memoryLowPercent: 90 } },
      'machine.memoryLowPercent must be below machine.memoryHighPercent',
    ],
    [{ machine: { memoryHighPercent: 79 } }, 'seen 80 from the default and 79 from the options given'],
    [
      { admission: { maxInFlight: 1_999 } },
      'admission.maxInFlightPerTenant must be at most admission.maxInFlight',
    ],
  ])('refuses %j, which contradicts itself or a default', (overrides, part) => {
    expect(refusal(() => loadConfig({ overrides }))).toContain(part);
  });

  it('takes pairs that just agree', () => {
    const machine = { memoryLowPercent: 89 };
    const admission = { maxInFlight: 2_000, maxInFlightPerTenant: 2_000 };
    expect(() => loadConfig({ overrides: { machine, admission } })).not.toThrow();
  });

  it('chooses among the policies that there are, strata unless told', () => {
    expect(loadConfig().policy.name).toBe('strata');
    for (const name of POLICY_NAMES)
      expect(loadConfig({ overrides: { policy: { name } } }).policy.name).toBe(name);
    expect(refusal(() => loadConfig({ env: { STRATA_POLICY_NAME: 'lru' } }))).toContain('fixed, histogram');
  });

  const numbers = CONFIG_KEYS.filter((key) => key.kind === 'integer');
  it.each(numbers)('takes $path at its bounds and refuses one past them', (key) => {
    const { min, max } = key.bounds ?? { min: 0, max: 0 };
    const wide = { maxHosts: 10_000, maxInstancesPerHost: 10_000 };
    const none = { pristineHosts: 0, runtimesPerHost: 0, spareRuntimes: 0 };
    const load = (value: number) => {
      const given = nested(key, value) as Partial<Record<Exclude<keyof Config, 'dataDir'>, object>>;
      const room = key.path.includes('max') ? none : wide;
      const containers = key.path.includes('max') ? { pristine: 0 } : { maxContainers: 1_000 };
      return loadConfig({
        overrides: {
          ...given,
          isolate: { ...room, ...given.isolate },
          container: { ...containers, ...given.container },
          admission: { ...WIDEST.admission, ...given.admission },
          machine: { ...WIDEST.machine, ...given.machine },
        },
      });
    };
    expect(() => load(min)).not.toThrow();
    expect(() => load(max)).not.toThrow();
    expect(refusal(() => load(min - 1))).toContain(key.path);
    expect(refusal(() => load(max + 1))).toContain(key.path);
  });
});

describe('keysOf', () => {
  it('gives every key its own environment name and a default within its bounds', () => {
    expect(new Set(CONFIG_KEYS.map((key) => key.env)).size).toBe(CONFIG_KEYS.length);
    for (const key of CONFIG_KEYS) expect(key.env).toMatch(/^STRATA_[A-Z0-9_]+$|^DOCKER_HOST$/);
    expect(CONFIG_KEYS.find((key) => key.path === 'limits.eventMaxBytes')?.env).toBe(
      'STRATA_LIMITS_EVENT_MAX_BYTES',
    );
  });

  it('refuses a schema with a number that has no upper bound', () => {
    const schema = Type.Object({ a: Type.Integer({ default: 1, minimum: 0, description: 'x' }) });
    expect(() => keysOf(schema)).toThrow('a lacks');
  });
});

describe('describeConfig', () => {
  it('lists every key and says which are not the default', () => {
    const lines = describeConfig(loadConfig({ env: { STRATA_PORT: '8080' } }));
    expect(lines).toHaveLength(CONFIG_KEYS.length);
    expect(lines).toContainEqual({ key: 'server.port', value: '8080', changed: true });
    expect(lines.filter((line) => line.changed)).toHaveLength(1);
  });

  it('never shows the value of a secret key', () => {
    const keys = CONFIG_KEYS.map((key) => ({ ...key, secret: key.path === 'dataDir' }));
    const lines = describeConfig(loadConfig({ overrides: { dataDir: '/hunter2' } }), keys);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(lines).toContainEqual({ key: 'dataDir', value: '(redacted)', changed: true });
  });
});
