import { describe, expect, it } from 'vitest';
import { ContainerOutput } from './output.ts';

describe('the output of a container', () => {
  it('goes to the call that ends next, in the order of the times', () => {
    const output = new ContainerOutput();
    output.begin(1_000);
    output.add('info', 20, 'from a child process');
    const tail = output.joinTo({
      failure: null,
      logs: [
        ['warn', 10, 'first'],
        ['info', 30, 'last'],
      ],
      logTruncated: false,
    });
    expect(tail?.logs.map(([, , text]) => text)).toEqual(['first', 'from a child process', 'last']);
    expect(output.joinTo(null)).toBeNull();
  });

  it('keeps no more than the limit, of both sources together, and says so', () => {
    const output = new ContainerOutput();
    output.begin(10);
    output.add('info', 1, '12345');
    output.add('info', 2, '12345');
    const tail = output.joinTo({ failure: null, logs: [['info', 3, 'abcd']], logTruncated: false });
    expect(tail).toEqual({ failure: null, logs: [['info', 1, '12345']], logTruncated: true });
  });

  it('forgets what was written before an instance began', () => {
    const output = new ContainerOutput();
    output.begin(100);
    output.add('error', 1, "another function's");
    output.begin(100);
    expect(output.joinTo(null)).toBeNull();
  });
});
