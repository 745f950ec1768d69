/**
 * `manifest.json` of a runtime: what a build from this machine's own packages takes.
 *
 * Owns the shape and its checks. An unknown field is refused, so that a slip of the pen is not silently ignored.
 */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { StrataError } from '../../../core/errors.ts';

const Globs = Type.Array(Type.String({ pattern: '^/' }));
const Paths = Type.Record(Type.String({ pattern: '^/' }), Type.String({ minLength: 1 }));

const ManifestSchema = Type.Object(
  {
    /** Debian packages that have to be installed. */
    packages: Type.Array(Type.String({ pattern: '^[a-z0-9][a-z0-9+.-]+$' })),
    /** Dependencies whose name has this shape are taken too: packages that carry a version in their name. */
    follow: Type.Optional(Type.String()),
    /** Of the packages' files only those are taken which one of these matches … */
    keep: Globs,
    /** … and none of these. */
    drop: Type.Optional(Globs),
    /** Programs that have to be there in the end, in the image's paths. */
    programs: Type.Array(Type.String({ pattern: '^/' })),
    /** A file that is made of all files of the packages which match, one after the other. */
    join: Type.Optional(Paths),
    /** Symbolic links to add: path → target. */
    links: Type.Optional(Paths),
    /** Take the Node that this package depends on, as /usr/local/bin/node. */
    node: Type.Optional(Type.Boolean()),
    /** Compile Python's modules, because nothing in a container can do it later: its files are read only. */
    bytecode: Type.Optional(Type.Boolean()),
    /** The command that prints the language's version; Node's is known. */
    version: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    /** Take everything that this other runtime's manifest takes, too. */
    with: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

const VALIDATOR = Compile(ManifestSchema);

export interface Manifest {
  readonly packages: readonly string[];
  readonly follow: string | null;
  readonly keep: readonly string[];
  readonly drop: readonly string[];
  readonly programs: readonly string[];
  readonly join: Readonly<Record<string, string>>;
  readonly links: Readonly<Record<string, string>>;
  readonly node: boolean;
  readonly bytecode: boolean;
  readonly version: readonly string[] | null;
  readonly with: string | null;
}

/** @param name for messages. @throws StrataError `internal_error`: manifests are files of this package. */
export const parseManifest = (text: string, name: string): Manifest => {
  const value = parsed(text, name);
  if (!VALIDATOR.Check(value)) {
    const [error] = VALIDATOR.Errors(value);
    throw broken(name, `${error?.instancePath || 'the whole'} ${error?.message ?? 'is wrong'}`);
  }
  return {
    ...{ packages: value.packages, keep: value.keep, programs: value.programs },
    ...{ follow: value.follow ?? null, drop: value.drop ?? [], join: value.join ?? {} },
    ...{ links: value.links ?? {}, node: value.node ?? false, bytecode: value.bytecode ?? false },
    ...{ version: value.version ?? null, with: value.with ?? null },
  };
};

/** Two manifests as one: what either takes, without what either drops. */
export const joinManifests = (own: Manifest, other: Manifest): Manifest => ({
  packages: [...new Set([...own.packages, ...other.packages])],
  follow: [own.follow, other.follow].filter((pattern) => pattern !== null).join('|') || null,
  keep: [...own.keep, ...other.keep],
  drop: [...own.drop, ...other.drop],
  programs: [...own.programs, ...other.programs],
  join: { ...other.join, ...own.join },
  links: { ...other.links, ...own.links },
  node: own.node || other.node,
  bytecode: own.bytecode || other.bytecode,
  version: own.version,
  with: null,
});

const parsed = (text: string, name: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw broken(name, thrown instanceof Error ? thrown.message : String(thrown));
  }
};

const broken = (name: string, why: string): StrataError =>
  new StrataError('internal_error', `${name} is not a manifest: ${why}.`);
