/** `strata publish`: freezes what is deployed as a version. */
import type { Command } from 'commander';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath } from '../options.ts';

interface PublishOptions {
  readonly description?: string;
  readonly codeDigest?: string;
}

interface Published {
  readonly version: string;
  readonly code: { readonly digest: string };
}

export const addPublish = (program: Command, context: CliContext): void => {
  program
    .command('publish')
    .description('publish a function as a version that never changes')
    .argument('<name>')
    .option('--description <text>', 'of the version')
    .option('--code-digest <sha256>', 'only if the code is this')
    .action(async (name: string, options: PublishOptions, command: Command) => {
      const answer = await clientOf(command, context).call('POST', functionPath(name, '/versions'), {
        body: JSON.stringify(options),
        headers: { 'Content-Type': 'application/json' },
      });
      const { version, code } = JSON.parse(answer.body.toString('utf8')) as Published;
      const verb = answer.status === 201 ? 'published' : 'unchanged:';
      printLine(context.stdout, `${verb} ${name} version ${version} (sha256 ${code.digest})`);
    });
};
