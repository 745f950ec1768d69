import { describe, expect, it } from 'vitest';
import { ContainerOutput } from './output.ts';

describe('the output of a container', () => {
  it('goes to the call that ends next, in the order of the times', () => {
    const output = new ContainerOutput();
    output.begin(1_000);
    output.add('info', 20, 'from a child process');
    const tail = output.joinTo(7, {
      failure: null,
      logs: [
        ['warn', 10, 'first'],
        ['info', 30, 'last'],
      ],
      logTruncated: false,
    });
    expect(tail?.logs.map(([, , text]) => text)).toEqual(['first', 'from a child process', 'last']);
    expect(output.joinTo(7, null)).toBeNull();
  });

  it('keeps no more than the limit, of both sources together, and says so', () => {
    const output = new ContainerOutput();
    output.begin(10);
    output.add('info', 1, '12345');
    output.add('info', 2, '12345');
    const tail = output.joinTo(7, { failure: null, logs: [['info', 3, 'abcd']], logTruncated: false });
    expect(tail).toEqual({ failure: null, logs: [['info', 1, '12345']], logTruncated: true });
  });

  it('forgets what was written before an instance began', () => {
    const output = new ContainerOutput();
    output.begin(100);
    output.add('error', 1, "another function's");
    output.begin(100);
    expect(output.joinTo(7, null)).toBeNull();
  });

  it('keeps the lines of each call for that call, each within the limit', () => {
    const output = new ContainerOutput();
    output.begin(10);
    output.addTo(1, 'warn', 1, 'one');
    output.addTo(2, 'debug', 2, '123456789');
    output.addTo(2, 'debug', 3, 'more');
    expect(output.joinTo(2, null)).toEqual({
      failure: null,
      logs: [['debug', 2, '123456789']],
      logTruncated: true,
    });
    expect(output.joinTo(1, null)?.logs).toEqual([['warn', 1, 'one']]);
    expect(output.joinTo(1, null)).toBeNull();
  });
});
