/**
 * `strata doctor`: what this machine can do, what is missing, and the command that mends it; with `--attack`, what a
 * running server holds against.
 */
import type { Command } from 'commander';
import { GROUPS, type Group } from '../../attack/case.ts';
import { loadConfig } from '../../config/config.ts';
import type { Finding } from '../../sandbox/isolate/machine.ts';
import { type CliContext, printLine, urlOf } from '../context.ts';
import { choiceList, engineHost } from '../options.ts';
import { table } from '../text.ts';

interface DoctorOptions {
  readonly engineHost?: string;
  readonly attack?: true;
  readonly groups?: readonly Group[];
  readonly json?: true;
}

export const addDoctor = (program: Command, context: CliContext): void => {
  program
    .command('doctor')
    .description('say what this machine can do, and what is missing')
    .addOption(engineHost())
    .option('--attack', 'instead, run the harmless attacks of the hostile corpus against the server at --url')
    .option('--groups <list>', `with --attack, only these: ${GROUPS.join(', ')}`, choiceList(GROUPS))
    .option('--json', 'as JSON')
    .action(async (options: DoctorOptions, command: Command) => {
      if (options.attack) {
        const { attackServer } = await import('./attack.ts');
        const { groups = GROUPS, json = false } = options;
        await attackServer({ url: urlOf(command, context), groups, json }, context);
        return;
      }
      // Loaded here only: the other commands need nothing of the sandboxes.
      const { inspectMachine } = await import('../../sandbox/isolate/machine.ts');
      const { inspectContainers } = await import('../../sandbox/container/machine.ts');
      const { systemClock } = await import('../../ports/clock.ts');
      const host = options.engineHost ?? loadConfig({ env: context.env }).container.engineHost;
      const containers = await inspectContainers(host, systemClock);
      const findings = [...(await inspectMachine()), ...containers];
      if (options.json) {
        printLine(context.stdout, JSON.stringify(findings, null, 2));
        return;
      }
      const rows = findings.map((finding) => [verdict(finding), finding.name, finding.detail]);
      printLine(context.stdout, table(rows));
      printRemedies('To mend:', 'missing', findings, context);
      printRemedies('Optional, to confine more tightly:', 'optional', findings, context);
    });
};

const verdict = ({ ok, optional }: Finding): 'ok' | 'missing' | 'optional' =>
  ok ? 'ok' : optional ? 'optional' : 'missing';

const printRemedies = (
  heading: string,
  wanted: 'missing' | 'optional',
  findings: readonly Finding[],
  context: CliContext,
): void => {
  const lines = findings
    .filter((finding) => verdict(finding) === wanted && finding.remedy !== null)
    .map(({ name, remedy }) => `  ${name}: ${remedy}`);
  if (lines.length > 0) printLine(context.stdout, `\n${heading}\n${lines.join('\n')}`);
};
