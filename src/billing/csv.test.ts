import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { csvLine } from './csv.ts';

it('reads back as it was written, and no cell begins like a formula', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 2, maxLength: 5 }), (cells) => {
      const [read = []] = parse(csvLine(cells), { record_delimiter: '\r\n' }) as string[][];
      expect(read.map((cell, at) => (cell === `'${cells[at]}` ? cells[at] : cell))).toEqual(cells);
      for (const cell of read) expect(cell).not.toMatch(/^[=+@\t\r]|^-(?!\d+(\.\d+)?$)/);
    }),
  );
});

it('leaves numbers alone and has nothing for what is not there', () => {
  expect(csvLine([1, -2.5, null, '12', '=1+1', '-1', '$LATEST', 'a"b'])).toBe(
    '1,-2.5,,12,\'=1+1,-1,$LATEST,"a""b"\r\n',
  );
});
