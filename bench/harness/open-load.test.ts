import { expect, it } from 'vitest';
import { answerIn } from './open-load.ts';

const REFUSED = 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy';

it('reads an answer when all of it is there, and not before', () => {
  expect(answerIn(Buffer.from(REFUSED))).toEqual({ status: 429, code: null, retryAfter: true });
  for (let length = 0; length < REFUSED.length; length += 1)
    expect(answerIn(Buffer.from(REFUSED.slice(0, length)))).toBeNull();
});

it('says what a problem is that is not expected', () => {
  const late = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 26\r\n\r\n{"code":"invalid_request"}';
  expect(answerIn(Buffer.from(late))).toMatchObject({ status: 400, code: 'invalid_request' });
});

it('says when a refusal names no time to come again', () => {
  expect(answerIn(Buffer.from('HTTP/1.1 429 X\r\ncontent-length: 0\r\n\r\n'))?.retryAfter).toBe(false);
});
