import { expect, it } from 'vitest';
import { HEAD_MAX_BYTES } from '../../sandbox/protocol/network-frames.ts';
import { headJson } from './answer-head.ts';

const bytesOf = (json: string | null): number => Buffer.byteLength(json ?? '');

it('leaves out headers about the connection', () => {
  const json = headJson(200, 'OK', ['Connection', 'close', 'X-A', 'b', 'transfer-encoding', 'chunked']);
  expect(JSON.parse(json ?? '')).toEqual({ status: 200, statusText: 'OK', headers: [['x-a', 'b']] });
});

it('cuts the words behind the status, which nobody counts', () => {
  expect(bytesOf(headJson(200, '\u0001'.repeat(200_000), []))).toBeLessThan(2_000);
});

it('is null when JSON makes more of the headers than a frame takes', () => {
  const tiny = Array.from({ length: 60_000 }, () => ['a', '']).flat();
  expect(headJson(200, '', tiny)).toBeNull();
  const largest = headJson(200, '', ['a', 'x'.repeat(HEAD_MAX_BYTES - 100)]);
  expect(bytesOf(largest)).toBeGreaterThan(HEAD_MAX_BYTES - 200);
});
