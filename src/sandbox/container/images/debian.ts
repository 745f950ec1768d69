/**
 * What this machine's Debian packages are made of, by asking dpkg.
 *
 * Owns the questions and the reading of the answers. Never installs anything; says which command would.
 */
import { StrataError } from '../../../core/errors.ts';
import { CommandError, type Commands } from '../../../ports/commands.ts';

export interface Package {
  readonly name: string;
  readonly version: string;
}

/** The environment of every program that a build runs. */
export const BUILD_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  SOURCE_DATE_EPOCH: '0',
} as const;

const TIMEOUT_MS = 30_000;
const OUTPUT_MAX_BYTES = 16 * 1024 * 1024;
/** Fewer than this are needed; a loop among them cannot happen, but a bound costs nothing. */
const PACKAGES_MAX = 500;

const FIELDS = ['Package', 'db:Status-Status', 'Version', 'Pre-Depends', 'Depends'];
const FORMAT = `${FIELDS.map((field) => `\${${field}}`).join('\\t')}\\n`;

/**
 * The named packages, and of their dependencies those whose whole name `follow` matches, by name.
 * @throws StrataError `runtime_unavailable` when dpkg or one of the packages is missing.
 */
export const findPackages = async (
  commands: Commands,
  names: readonly string[],
  follow: string | null,
): Promise<readonly Package[]> => {
  const wanted = follow === null ? null : new RegExp(`^(?:${follow})$`);
  const found = new Map<string, Package>();
  let asked = [...names];
  while (asked.length > 0 && found.size < PACKAGES_MAX) {
    const rows = await installed(commands, asked);
    const missing = asked.filter((name) => !rows.some((row) => row.name === name));
    if (missing.length > 0) throw notInstalled(missing);
    for (const { name, version } of rows) found.set(name, { name, version });
    const more = rows.flatMap(({ depends }) => depends).filter((name) => wanted?.test(name) === true);
    asked = [...new Set(more)].filter((name) => !found.has(name));
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** Every path that the packages brought, as they name it. */
export const filesOf = async (commands: Commands, packages: readonly Package[]): Promise<string[]> => {
  const { stdout } = await ask(commands, ['--listfiles', ...packages.map(({ name }) => name)]);
  return stdout.split('\n').filter((line) => line.startsWith('/') && line !== '/.');
};

/** Which packages the files are of; files of none are left out. */
export const ownersOf = async (commands: Commands, paths: readonly string[]): Promise<readonly Package[]> => {
  if (paths.length === 0) return [];
  // Packages still name some files as they lay before all of them moved into /usr.
  const names = paths.flatMap((path) =>
    path.startsWith('/usr/') ? [path, path.slice('/usr'.length)] : [path],
  );
  const { stdout } = await ask(commands, ['--search', ...names]);
  const owners = stdout.split('\n').flatMap((line) => /^([^\s:,]+)(?::\w+)?: \//.exec(line)?.[1] ?? []);
  return owners.length === 0 ? [] : findPackages(commands, [...new Set(owners)], null);
};

interface Row extends Package {
  readonly depends: readonly string[];
}

const installed = async (commands: Commands, names: readonly string[]): Promise<readonly Row[]> => {
  const { stdout } = await ask(commands, ['--show', `--showformat=${FORMAT}`, ...names]);
  return stdout.split('\n').flatMap((line) => {
    const [name, status, version, ...depends] = line.split('\t');
    if (name === undefined || version === undefined || status !== 'installed') return [];
    return [{ name, version, depends: depends.flatMap(namesIn) }];
  });
};

/** Of `a (>= 1), b:any | c` the names a, b and c. */
const namesIn = (depends: string): string[] =>
  depends.split(/[,|]/).flatMap((part) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(part)?.[1] ?? []);

const ask = async (commands: Commands, args: readonly string[]) => {
  try {
    const bounds = { timeoutMs: TIMEOUT_MS, outputMaxBytes: OUTPUT_MAX_BYTES };
    // Exit code 1 says that some of the names are unknown; who asked sees which from what is missing.
    return await commands.run({ command: 'dpkg-query', args, env: BUILD_ENV, ...bounds });
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    const detail = thrown.missing
      ? 'An image is built from Debian packages of this machine, and this machine has none: dpkg-query is not installed. Build where an image registry can be reached (--from registry), or on Debian or Ubuntu.'
      : `The packages of this machine cannot be listed: ${thrown.message}.`;
    throw new StrataError('runtime_unavailable', detail, { cause: thrown });
  }
};

const notInstalled = (names: readonly string[]): StrataError =>
  new StrataError(
    'runtime_unavailable',
    `An image is built from Debian packages of this machine, and not installed are: ${names.join(', ')}. Run \`apt-get install --no-install-recommends ${names.join(' ')}\`.`,
  );
