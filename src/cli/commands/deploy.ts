/** `strata deploy`: creates or updates a function from a file or a folder. */
import { type Command, Option } from 'commander';
import { RUNTIMES, type Runtime } from '../../core/spec.ts';
import { collectCode } from '../code-files.ts';
import { type CliContext, clientOf, printLine } from '../context.ts';
import { functionPath, keyValue, wholeNumber } from '../options.ts';

/** Options whose value is a whole number, by the name of their field in the spec. */
const NUMBERS: readonly (readonly [flag: string, meaning: string])[] = [
  ['--memory-mb <n>', 'memory of one instance'],
  ['--timeout-ms <n>', 'wall time of one invocation'],
  ['--cpu-ms <n>', 'CPU time of one invocation'],
  ['--concurrency <n>', 'invocations that one instance takes at once'],
  ['--init-timeout-ms <n>', 'wall time of load and initializer'],
  ['--min-instances <n>', 'instances kept loaded'],
  ['--max-instances <n>', 'instances at most'],
  ['--reserved-concurrency <n>', 'invocations for which the server keeps room free'],
  ['--idle-timeout-ms <n>', 'idle time until an instance ends'],
];

export const addDeploy = (program: Command, context: CliContext): void => {
  const command = program
    .command('deploy')
    .description('create or update a function from a file or a folder')
    .argument('<path>', 'a file, a folder or a .zip archive')
    .option('--name <name>', "the function's name (default: the name of the file or folder)")
    .option('--handler <file.export>', 'what to call (default: "index.handler"; any text with provided)')
    .option('--initializer <file.export>', 'what to call once when an instance loads')
    .addOption(new Option('--runtime <runtime>', 'what runs the code').choices(RUNTIMES).default('isolate'))
    .addOption(
      new Option('--process-model <model>', 'keep instances, or destroy each after one invocation').choices([
        'resident',
        'ephemeral',
      ]),
    )
    .option('--env <KEY=VALUE>', 'an environment variable; repeatable', keyValue)
    .option('--label <KEY=VALUE>', 'a label; repeatable', keyValue)
    .option('--description <text>');
  for (const [flag, meaning] of NUMBERS) command.option(flag, meaning, wholeNumber);

  command.action(async (path: string, options: DeployOptions, self: Command) => {
    const { name: givenName, label, ...spec } = options;
    const { code, name: nameOfPath, note } = await collectCode(path, options.runtime);
    if (note !== undefined) printLine(context.stderr, note);
    const name = givenName ?? nameOfPath;
    const body = JSON.stringify({ ...spec, ...(label === undefined ? {} : { labels: label }), code });
    const answer = await clientOf(self, context).call('PUT', functionPath(name), {
      body,
      headers: { 'Content-Type': 'application/json' },
    });
    const verb = answer.status === 201 ? 'created' : 'updated';
    const deployed = JSON.parse(answer.body.toString('utf8')) as Deployed;
    const { bytes, digest } = deployed.code;
    printLine(
      context.stdout,
      `${verb} ${name} (${deployed.runtime}, ${bytes} bytes, sha256 ${digest.slice(0, 12)})`,
    );
  });
};

/** The other options are named as the fields of the spec, and go into it as they are. */
interface DeployOptions extends Readonly<Record<string, unknown>> {
  readonly name?: string;
  readonly runtime: Runtime;
  readonly label?: Readonly<Record<string, string>>;
}

interface Deployed {
  readonly runtime: string;
  readonly code: { readonly digest: string; readonly bytes: number };
}
