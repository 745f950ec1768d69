/**
 * The bounds of a function's spec, and the sizes that no configuration can raise.
 *
 * Owns numbers only. Every bound is finite; the API's schema, the registry and `docs/config.md` read them here.
 */
import type { Runtime } from './spec.ts';

export interface Bound {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

export const SPEC_BOUNDS = {
  memoryMb: { min: 16, max: 10_240, default: 128 },
  timeoutMs: { min: 1, max: 900_000, default: 3_000 },
  cpuMs: { min: 1, max: 900_000, default: 1_000 },
  concurrency: { min: 1, max: 200, default: 1 },
  initTimeoutMs: { min: 1, max: 60_000, default: 10_000 },
  minInstances: { min: 0, max: 100, default: 0 },
  maxInstances: { min: 1, max: 1_000, default: 50 },
  reservedConcurrency: { min: 0, max: 1_000, default: 0 },
  idleTimeoutMs: { min: 100, max: 3_600_000, default: 600_000 },
} as const satisfies Record<string, Bound>;

/** What a function may say of its asynchronous invocations; the names are those of the fields. */
export const ASYNC_BOUNDS = {
  maxRetries: { min: 0, max: 2, default: 2 },
  maxEventAgeMs: { min: 60_000, max: 21_600_000, default: 21_600_000 },
} as const satisfies Record<string, Bound>;
export const WEBHOOK_MAX_LENGTH = 2_048;
/** A function as a destination: `name` or `name:qualifier`. */
export const DESTINATION_FUNCTION_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?::[A-Za-z0-9$_-]{1,64})?$';
/** Printable characters without blanks. */
export const IDEMPOTENCY_KEY_PATTERN = '^[\\x21-\\x7e]{1,128}$';

/** What the memory of a function may be with each runtime: less does not carry its language, more an isolate cannot use. */
export const MEMORY_BOUNDS: Readonly<Record<Runtime, Bound>> = {
  isolate: { min: 16, max: 1_024, default: 128 },
  nodejs24: { min: 64, max: 10_240, default: 128 },
  python3: { min: 32, max: 10_240, default: 128 },
  provided: { min: 16, max: 10_240, default: 128 },
};

/** The longest that a caller may ask to wait for an instance; without it the configuration's bound alone holds. */
export const MAX_WAIT_MS = { min: 0, max: 900_000 } as const;

/** Names of functions: a letter or digit, then letters, digits, `-` and `_`; 64 at most. */
export const FUNCTION_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$';
/** Names of aliases; what has digits alone would be a version. */
export const ALIAS_NAME_PATTERN = '^(?=.*[^0-9])[A-Za-z0-9_-]{1,64}$';
/** Numbers of published versions. */
export const VERSION_PATTERN = '^[1-9][0-9]{0,8}$';
/** What keeps a caller at one version of an alias that has two; characters. */
export const SESSION_KEY_MAX_LENGTH = 256;
/** Names of tenants: the same alphabet. */
export const TENANT_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$';
/** `file.export`: the file without its ending, folders allowed, then the name of the export. */
export const HANDLER_PATTERN = '^(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_.-]+\\.[A-Za-z_$][A-Za-z0-9_$]*$';
export const HANDLER_MAX_LENGTH = 256;

/** Files of an isolate's code, and of any code that is not uploaded as an archive. */
export const CODE_MAX_FILES = 1_000;
/** Entries of an archive for a container runtime, folders included: a tree of npm packages has thousands. */
export const CONTAINER_CODE_MAX_FILES = 20_000;
/** Folders that the paths of any code make: deep paths would be many. */
export const CODE_MAX_FOLDERS = 20_000;
/** What `limits.containerCodeMaxBytes` may be raised to. */
export const CONTAINER_CODE_MAX_BYTES = 262_144_000;
export const CODE_PATH_MAX_LENGTH = 256;
/** In UTF-8, of a file or folder: file systems hold no longer ones, and a container's agent takes none. */
export const CODE_NAME_MAX_BYTES = 255;
/** An archive may unpack to at most this many times its own size, and never past the code limit. */
export const ZIP_MAX_RATIO = 100;
export const ENV_MAX_ENTRIES = 100;
export const ENV_MAX_BYTES = 4_096;
export const LABELS_MAX_ENTRIES = 50;
export const LABEL_MAX_LENGTH = 128;
export const ANNOTATIONS_MAX_ENTRIES = 10;
export const ANNOTATIONS_MAX_BYTES = 16_384;
/** Annotations of functions that came by the Lambda API, whose handlers look for that service's variables. */
export const LAMBDA_ANNOTATION = 'aws-lambda';
export const REGION_ANNOTATION = 'aws-region';
export const DESCRIPTION_MAX_LENGTH = 1_024;
export const NETWORK_ALLOW_MAX_ENTRIES = 50;

/** What `GET /v1/pools` lists for each runtime: more would be read by nobody. */
export const PLANS_SHOWN_MAX = 100;
export const SANDBOXES_SHOWN_MAX = 200;
export const UNMET_SHOWN_MAX = 100;
