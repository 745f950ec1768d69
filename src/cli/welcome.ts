/**
 * What `strata serve` says first: how code is confined, which runtimes are served, and why others are not.
 *
 * Owns the wording. Runtimes of which the same can be said share a line.
 */
import type { Executor } from '../invocation/api.ts';
import { oneLine } from './text.ts';

/** Who may call. */
export const accessLines = (
  isOpen: boolean,
  { dataDir, server }: { readonly dataDir: string; readonly server: { readonly host: string } },
): string[] => {
  if (isOpen) {
    const make = `strata keys create --admin --data-dir ${dataDir}`;
    return [
      'Keys: none, so whoever can connect may do anything as any tenant',
      `  to ask for keys: stop the server, then ${oneLine(make)}`,
    ];
  }
  const isNear = /^(?:localhost|127\.|::1$)/.test(server.host);
  return [
    'Keys: asked for on every call',
    ...(isNear ? [] : ['  keys cross the network as they are: put a proxy with TLS in front']),
  ];
};

export const welcomeLines = (executor: Pick<Executor, 'confinement' | 'runtimes'>): string[] => {
  const lines: string[] = [];
  const confinements = Object.entries(executor.confinement());
  for (const [summary, alike] of Map.groupBy(confinements, ([, { summary }]) => summary)) {
    lines.push(`Confinement of ${alike.map(([runtime]) => runtime).join(', ')}: ${oneLine(summary)}`);
    for (const { missing, remedy } of alike[0]?.[1].gaps ?? [])
      lines.push(`  not confined: ${oneLine(missing)}`, `    to mend: ${oneLine(remedy)}`);
  }
  const runtimes = executor.runtimes();
  const served = runtimes.filter(({ available }) => available).map(({ runtime }) => runtime);
  lines.push(`Runtimes: ${served.join(', ')}`);
  const missing = runtimes.filter(({ available }) => !available);
  for (const [reason, alike] of Map.groupBy(missing, ({ reason }) => reason))
    lines.push(`  not served: ${alike.map(({ runtime }) => runtime).join(', ')} (${oneLine(reason ?? '')})`);
  return lines;
};
