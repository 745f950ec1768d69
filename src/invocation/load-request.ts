/**
 * What a sandbox is told so that it loads a function: the same for an invocation and for an instance made ready ahead.
 */
import type { CodeFiles, FunctionRecord } from '../core/spec.ts';
import { entryFile } from '../registry/entry.ts';
import type { LoadRequest } from '../sandbox/api.ts';
import { environmentOf, regionOf } from './environment.ts';

export interface LoadContext {
  readonly codeFiles: (record: FunctionRecord) => Promise<CodeFiles>;
  readonly initCpuMs: number;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
}

export const loadRequest = (context: LoadContext, record: FunctionRecord, files: CodeFiles): LoadRequest => ({
  ...regionMember(record),
  runtime: record.runtime,
  entry: entryFile(files, record.handler, record.runtime),
  initializerEntry: record.initializer === null ? null : entryFile(files, record.initializer, record.runtime),
  ...{ functionName: record.name, functionVersion: record.version, codeDigest: record.codeDigest, files },
  ...{
    handler: record.handler,
    initializer: record.initializer,
    env: environmentOf(record),
    memoryMb: record.memoryMb,
  },
  initTimeoutMs: record.initTimeoutMs,
  initCpuMs: context.initCpuMs,
  resultMaxBytes: context.resultMaxBytes,
  logMaxBytes: context.logMaxBytes,
  network: record.network.allow.length > 0,
});

const regionMember = (record: FunctionRecord): { readonly region?: string } => {
  const region = regionOf(record);
  return region === undefined ? {} : { region };
};
