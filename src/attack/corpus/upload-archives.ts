/**
 * Archives that grow when they are read, are read differently by two readers, or cannot be read at all.
 */
import type { Runtime } from '../../core/spec.ts';
import { archive, directoryAlone, directoryPieces } from '../archive.ts';
import { type AttackCase, holds } from '../case.ts';
import type { Reply, Target } from '../target.ts';
import { HANDLERS, INVALID, NAME, refusesArchives, runtimesOf, withFile } from '../uploads.ts';
import { answersIn, isRefusal, PLAIN, type Refusal, replyOf, withOwn } from '../wire.ts';

const TOO_LARGE: Refusal = { code: 'payload_too_large', status: 413 };
const MIB = 1024 * 1024;
const ALMOST_4_GIB = 0xffff_fffe;

/** Sent as it is made, so that sending keeps nobody waiting. */
const uploaded = async (target: Target, runtime: Runtime, zip: readonly Buffer[]): Promise<Reply> => {
  const start = `{"runtime":"${runtime}","code":{"zip":"`;
  const length = zip.reduce((sum, piece) => sum + piece.length, start.length + 3);
  const head = `PUT /v1/functions/${NAME} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  const [answer] = answersIn(await target.raw([head, start, ...zip, '"}}']));
  holds(answer !== undefined, 'an upload was not answered');
  return replyOf(answer ?? { status: 0, head: '', body: '' });
};

export const UPLOAD_ARCHIVE_CASES: readonly AttackCase[] = [
  {
    ...{ id: 103, group: 'upload', name: 'archives that grow without end', harmless: true },
    async wire(target) {
      const zeros = Buffer.alloc(2 * MIB);
      const lies = (size: number): Buffer => withFile({ name: 'x', data: zeros, declared: { size } });
      await refusesArchives(
        target,
        { 'two megabytes of zeros': withFile({ name: 'x', data: zeros }) },
        { ...INVALID, detail: /at most 100 times its size is allowed/ },
      );
      await refusesArchives(
        target,
        { 'declared as little': lies(10), 'declared as nothing': lies(0), 'one byte less': lies(2000) },
        { ...INVALID, detail: /with more than the \d+ bytes it declares|but declares 0/ },
      );
      await refusesArchives(
        target,
        { 'declared as four gigabytes': lies(ALMOST_4_GIB) },
        { ...TOO_LARGE, detail: /unpacks to more than \d+ bytes/ },
      );
      const many = Array.from({ length: 3 }, (_, at) => ({
        name: `x${at}`,
        declared: { size: ALMOST_4_GIB },
      }));
      await refusesArchives(target, { 'many of them': archive([...HANDLERS, ...many]) }, TOO_LARGE);
      // Entries that share their data cost no room in the archive.
      const shared = Array.from({ length: 50 }, (_, at) => ({
        name: `y${at}`,
        data: '',
        declared: { offset: 0, size: 32, packedSize: 34 },
      }));
      await refusesArchives(
        target,
        { 'one piece of data for all': archive([...HANDLERS, ...shared]) },
        { ...INVALID, detail: /differently in two places/ },
      );
    },
  },
  {
    ...{ id: 104, group: 'upload', name: 'a million entries' },
    async wire(target) {
      const runtimes = await runtimesOf(target);
      const isolates = runtimes.length === 1;
      // Where no container's code may be that large, it is refused before it has come.
      if (isolates)
        isRefusal('a million', await uploaded(target, 'isolate', directoryPieces(1_000_000)), TOO_LARGE);
      const refusal = { ...INVALID, detail: /has 34464 entries; at most \d+ are allowed/ };
      for (const runtime of runtimes)
        isRefusal(
          `a tenth of it for ${runtime}`,
          await uploaded(target, runtime, directoryPieces(100_000)),
          refusal,
        );
    },
  },
  {
    ...{ id: 410, group: 'upload', name: 'more entries than may be', harmless: true },
    async wire(target) {
      const tooMany = { ...INVALID, detail: /^code\.zip: has \d+ entries; at most \d+ are allowed/ };
      await refusesArchives(target, { 'as many as can be declared': directoryAlone(1, 0xffff) }, tooMany);
      await refusesArchives(target, { 'one too many': directoryAlone(1_001, 1_001) }, tooMany, ['isolate']);
      const fewer = { ...INVALID, detail: /has more in its directory than the 10 entries it declares/ };
      await refusesArchives(target, { 'more than declared': directoryAlone(50_000, 10) }, fewer);
    },
  },
  {
    ...{ id: 411, group: 'upload', name: 'archives that two readers see differently', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          'another name in front of the data': withFile({ name: 'x', localName: 'y', data: 'x' }),
          'an archive in front': archive(HANDLERS, {
            before: Buffer.from('#!/bin/sh\nexit\n'),
            directoryOffset: 0,
          }),
          'something between directory and end': archive(HANDLERS, { between: Buffer.from('between') }),
          'another archive in the comment': archive(HANDLERS, {
            comment: archive([{ name: 'index.js', data: 'other' }]),
          }),
          'fewer entries than there are': archive(HANDLERS, { entries: 1 }),
          'more entries than there are': archive(HANDLERS, { entries: 9 }),
          'a directory of another length': archive(HANDLERS, { directoryBytes: 46 }),
          'a directory somewhere else': archive(HANDLERS, { directoryOffset: 1 }),
          'something behind the end': Buffer.concat([archive(HANDLERS), Buffer.from('behind')]),
        },
        { ...INVALID, detail: /^code\.zip: / },
      ),
  },
  {
    ...{ id: 412, group: 'upload', name: 'forms of archives that are not read', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          encrypted: withFile({ name: 'x', data: 'x', flags: 1 }),
          'encrypted strongly': withFile({ name: 'x', data: 'x', flags: 0x41 }),
          'with its directory encrypted': withFile({ name: 'x', data: 'x', flags: 0x2001 }),
          'packed in another way': withFile({ name: 'x', data: 'x', method: 12 }),
          'packed in a way of nobody': withFile({ name: 'x', data: 'x', method: 0xffff }),
          'with sizes of 64 bits': withFile({
            name: 'x',
            data: 'x',
            declared: { size: 0xffff_ffff, packedSize: 0xffff_ffff },
          }),
          'with an offset of 64 bits': withFile({ name: 'x', data: 'x', declared: { offset: 0xffff_ffff } }),
          'one of several disks': archive(HANDLERS, { disk: 1 }),
          'none at all': Buffer.from('\x1f\x8b not a zip'),
          empty: Buffer.alloc(0),
          'an end alone': archive([]),
        },
        { ...INVALID, detail: /^code(?:\.zip)?: / },
      ),
  },
  {
    ...{ id: 413, group: 'upload', name: 'entries whose data is not what they say', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          'another checksum': withFile({ name: 'x', data: 'x', declared: { crc: 1 } }),
          'more than there is': withFile({ name: 'x', data: 'x', declared: { size: 2 } }),
          'less than there is': withFile({ name: 'x', data: 'xx', declared: { size: 1 } }),
          'stored, and less': withFile({ name: 'x', data: 'xx', method: 0, declared: { size: 1 } }),
          'beyond the end': withFile({ name: 'x', data: 'x', declared: { packedSize: 0x7fff_ffff } }),
          'far behind the end': withFile({ name: 'x', data: 'x', declared: { offset: 0xffff_fff0 } }),
          'in the directory': withFile({ name: 'x', data: 'x', declared: { offset: 60 } }),
          'cut short': withFile({ name: 'x', data: 'x'.repeat(1_000), declared: { packedSize: 3 } }),
          'a folder with content': withFile({ name: 'x/', data: 'x', mode: 0o040755 }),
        },
        { ...INVALID, detail: /^code\.zip: / },
      ),
  },
  {
    ...{ id: 414, group: 'upload', name: 'an archive cut off or changed anywhere', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const whole = archive(HANDLERS);
        const broken: Buffer[] = [];
        for (let at = 0; at < whole.length; at += 11) broken.push(whole.subarray(0, at));
        for (let at = 0; at < whole.length; at += 5) {
          const changed = Buffer.from(whole);
          changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
          broken.push(changed);
        }
        for (const [at, bytes] of broken.entries()) {
          const { status, text } = await target.deploy(NAME, {
            ...PLAIN,
            code: { zip: bytes.toString('base64') },
          });
          holds([200, 400, 413].includes(status), `change ${at}: ${status} ${text.slice(0, 200)}`);
        }
      }),
  },
];
