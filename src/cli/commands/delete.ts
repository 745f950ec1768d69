/** `strata delete`: removes a function. */
import type { Command } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath } from '../options.ts';

export const addDelete = (program: Command, context: CliContext): void => {
  program
    .command('delete')
    .description('delete a function')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      await clientOf(command, context).call('DELETE', functionPath(name));
      printLine(context.stdout, `deleted ${name}`);
    });
};
