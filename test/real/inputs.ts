/**
 * Generated inputs of the real programs: the same for the same seed, large enough to be work.
 */
import { seededRandom } from '../../src/ports/random.ts';

const WORDS =
  'layer warm cold start isolate receipt tenant lease pool queue sandbox carrier budget über façade 日本 naïve'.split(
    ' ',
  );

/** A Markdown document of at least `minBytes`, with every kind of block that a long document has. */
export const markdownDocument = (seed: number, minBytes: number): string => {
  const pick = picker(seed);
  const words = (count: number): string => Array.from({ length: count }, () => pick(WORDS)).join(' ');
  const blocks: readonly (() => string)[] = [
    () => `## ${words(4)}`,
    () =>
      `${words(40)} **${words(2)}** and *${words(2)}*, \`${words(1)}\` [${words(2)}](https://example.com/${pick([1, 2, 3])}).`,
    () => Array.from({ length: 5 }, (_, index) => `${index + 1}. ${words(6)}\n   - ${words(4)}`).join('\n'),
    () => `> ${words(20)}\n>\n> > ${words(10)}`,
    () => `\`\`\`js\nconst ${pick(['a', 'b'])} = () => '<${words(1)}> & "${words(1)}"';\n\`\`\``,
    () => `| ${words(1)} | ${words(1)} |\n| --- | ---: |\n| ${words(3)} | ${pick([10, 200, 3_000])} |`,
    () => `<div class="${pick(['note', 'hint'])}">\n\n${words(8)}\n\n</div>`,
    () => '---',
  ];
  const parts = ['# A long document'];
  for (let bytes = 0; bytes < minBytes; ) {
    const block = pick(blocks)();
    parts.push(block);
    bytes += Buffer.byteLength(block) + 2;
  }
  return parts.join('\n\n');
};

/** Records of which roughly one in five breaks a rule of examples/validate. */
export const records = (seed: number, count: number): readonly unknown[] => {
  const pick = picker(seed);
  return Array.from({ length: count }, (_, index) => {
    const good = {
      id: index + 1,
      email: `${pick(['ada', 'grace', 'alan'])}${index}@example.org`,
      tags: pick([[], ['new'], ['paid', 'late']]),
      ...pick([{}, { address: { city: pick(WORDS) } }]),
    };
    const faults: readonly object[] = [
      { id: 0 },
      { id: '7' },
      { email: 'nobody' },
      { tags: ['new', 'new'] },
      { tags: ['lost'], email: null },
      { address: { city: '' } },
      { unknown: true },
    ];
    return pick([1, 2, 3, 4, 5]) === 1 ? { ...good, ...pick(faults) } : good;
  });
};

/** TeX formulas, all correct, nested to a few levels. */
export const formulas = (seed: number, count: number): readonly string[] => {
  const pick = picker(seed);
  const term = (depth: number): string => {
    if (depth === 0) return pick(['x', 'y_{n+1}', '\\alpha', '\\pi', '42', '\\mathbf{v}', '\\infty']);
    const inner = (): string => term(depth - 1);
    return pick([
      () => `\\frac{${inner()}}{${inner()}}`,
      () => `\\sqrt[3]{${inner()} + ${inner()}}`,
      () => `\\sum_{k=0}^{${inner()}} ${inner()}`,
      () => `\\left( ${inner()} \\times ${inner()} \\right)^2`,
      () => `\\int_0^1 ${inner()}\\,dx`,
      () => `\\begin{pmatrix} ${inner()} & ${inner()} \\\\ ${inner()} & 0 \\end{pmatrix}`,
      () => `\\overline{${inner()}} \\le \\text{mean of } ${inner()}`,
    ])();
  };
  return Array.from({ length: count }, () => `${term(3)} = ${term(2)}`);
};

const picker = (seed: number): (<T>(items: readonly T[]) => T) => {
  const random = seededRandom(seed);
  return <T>(items: readonly T[]): T => {
    const item = items[random.nonce() % items.length];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
};
