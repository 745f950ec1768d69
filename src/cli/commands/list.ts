/** `strata list`: the functions of a tenant. */
import type { Command } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { allPages } from '../options.ts';
import { oneLine, table } from '../text.ts';

interface Listed {
  readonly name: string;
  readonly runtime: string;
  readonly processModel: string;
  readonly memoryMb: number;
  readonly updatedAt: string;
  readonly description: string;
}

const HEADING = ['NAME', 'RUNTIME', 'MODEL', 'MEMORY', 'UPDATED', 'DESCRIPTION'];

export const addList = (program: Command, context: CliContext): void => {
  program
    .command('list')
    .description('list the functions')
    .action(async (_options: unknown, command: Command) => {
      const functions = await allPages<Listed>(clientOf(command, context), '/v1/functions', 'functions');
      printLine(context.stdout, table([HEADING, ...functions.map(rowOf)]));
    });
};

const rowOf = (listed: Listed): string[] => [
  listed.name,
  listed.runtime,
  listed.processModel,
  `${listed.memoryMb} MB`,
  listed.updatedAt,
  oneLine(listed.description),
];
