import { describe, expect, it } from 'vitest';
import { StrataError } from '../../core/errors.ts';
import { describeDockerHost, dockerodeOptions, localSocket } from './docker-host.ts';

const codeOf = (dockerHost: string): string => {
  try {
    dockerodeOptions(dockerHost);
    return 'accepted';
  } catch (thrown) {
    if (!(thrown instanceof StrataError)) throw thrown;
    expect(thrown.message).toContain('unix:///path/to/docker.sock');
    return thrown.code;
  }
};

describe('dockerodeOptions', () => {
  it('takes the usual socket for nothing', () => {
    expect(dockerodeOptions('')).toMatchObject({ socketPath: '/var/run/docker.sock', host: undefined });
    expect(describeDockerHost('')).toBe('unix:///var/run/docker.sock');
  });

  it('takes the path of a unix socket', () => {
    const options = dockerodeOptions('unix:///run/user/1000/docker.sock');
    expect(options).toMatchObject({
      socketPath: '/run/user/1000/docker.sock',
      host: undefined,
      port: undefined,
    });
    expect(localSocket('unix:///run/user/1000/docker.sock')).toBe('/run/user/1000/docker.sock');
  });

  it('takes an address, with 2375 for a missing port', () => {
    expect(dockerodeOptions('tcp://10.0.0.1:4243')).toMatchObject({
      host: '10.0.0.1',
      port: 4243,
      protocol: 'http',
    });
    expect(dockerodeOptions('tcp://engine.example')).toMatchObject({ host: 'engine.example', port: 2375 });
    expect(dockerodeOptions('tcp://[::1]:2375/')).toMatchObject({ host: '[::1]', port: 2375 });
    expect(localSocket('tcp://engine.example')).toBeNull();
  });

  it('leaves nothing for the environment to fill in', () => {
    for (const dockerHost of ['', 'unix:///a.sock', 'tcp://a:1']) {
      const options = dockerodeOptions(dockerHost);
      for (const field of ['socketPath', 'host', 'port', 'protocol', 'ca', 'cert', 'key', 'timeout']) {
        expect(options).toHaveProperty(field);
      }
    }
  });

  it('refuses what names no engine, and shows what would', () => {
    const bad = [
      ...['docker.sock', '/var/run/docker.sock', 'unix:', 'unix://', 'unix:///', 'unix://relative/path'],
      ...[
        'unix:///a\0b',
        `unix:///${'a'.repeat(107)}`,
        'ssh://user@host',
        'npipe:////./pipe/docker',
        'http://a:1',
      ],
      ...[
        'tcp://',
        'tcp://:2375',
        'tcp://a:0',
        'tcp://a:65536',
        'tcp://a:b',
        'tcp://user:pass@a:1',
        'tcp://a:1/v1',
      ],
      ...['tcp://a:1?x=1', 'tcp://[zz]:1', 'tcp://[1:2]:1', 'tcp://a b:1', 'tcp://-a:1', ' '],
    ];
    for (const dockerHost of bad) expect(codeOf(dockerHost), dockerHost).toBe('invalid_request');
  });
});
