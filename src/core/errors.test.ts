import { describe, expect, it } from 'vitest';
import { StrataError } from './errors.ts';

describe('StrataError', () => {
  it('has a stack for a fault of the platform, and none for the refusal of a request', () => {
    expect(new StrataError('internal_error', 'A count was wrong.').stack).toContain('errors.test.ts');
    expect(new StrataError('overloaded', 'The queue is full.').stack).not.toContain('errors.test.ts');
  });

  it('leaves the stacks of other errors as they were', () => {
    const before = Error.stackTraceLimit;
    new StrataError('overloaded', 'The queue is full.');
    expect(Error.stackTraceLimit).toBe(before);
    expect(new Error('another').stack).toContain('errors.test.ts');
  });
});
