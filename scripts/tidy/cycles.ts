/**
 * Import cycles. One that exists at run time is an error; one of types alone is a remark, because it costs nothing
 * when the program runs and says that two files are one subject.
 */
import type { Finding } from './finding.ts';
import { importsOf, type SourceFile } from './source.ts';

export const findCycles = (files: readonly SourceFile[]): { values: Finding[]; types: Finding[] } => {
  const all = new Map<string, string[]>();
  const values = new Map<string, string[]>();
  for (const file of files) {
    const imports = importsOf(file);
    all.set(file.path, [...new Set(imports.map(({ target }) => target))]);
    values.set(file.path, [
      ...new Set(imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target)),
    ]);
  }
  const atRunTime = components(values);
  const known = new Set(atRunTime.map((members) => members.join()));
  return {
    values: atRunTime.map((members) => finding(members, 'import each other at run time')),
    types: components(all)
      .filter((members) => !known.has(members.join()))
      .map((members) => finding(members, 'import each other, by types only')),
  };
};

const finding = (members: readonly string[], what: string): Finding => ({
  path: members[0] ?? '',
  line: 1,
  message: `${members.join(', ')} ${what}; move what they share into a third file`,
});

/** Strongly connected components with more than one member, after Tarjan. */
const components = (graph: ReadonlyMap<string, readonly string[]>): string[][] => {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): number => {
    const own = index.size;
    index.set(node, own);
    low.set(node, own);
    stack.push(node);
    let lowest = own;
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, index.get(next) ?? own);
    }
    low.set(node, lowest);
    if (lowest === own) {
      const members = stack.splice(stack.indexOf(node));
      if (members.length > 1) found.push(members.sort());
    }
    return lowest;
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
};
