import { describe, expect, it } from 'vitest';
import { oneLine, printable, table } from './text.ts';

describe('printable', () => {
  it('spells out what would steer a terminal, and keeps text', () => {
    expect(printable('\u001b[31mred\u0007\u009b\u202e é 漢 😀\tok\n')).toBe(
      '\\u001b[31mred\\u0007\\u009b\\u202e é 漢 😀\tok\n',
    );
  });
});

describe('oneLine', () => {
  it('keeps a message from faking a second line', () => {
    expect(oneLine('a\nb\r\nc')).toBe('a\\nb\\u000d\\nc');
  });
});

describe('table', () => {
  it('aligns columns', () => {
    expect(
      table([
        ['A', 'B'],
        ['long', 'x'],
      ]),
    ).toBe('A     B\nlong  x');
  });
});
