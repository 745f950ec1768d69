import { expect, it } from 'vitest';
import { denied, failureOf, NetworkError } from './failures.ts';

const error = (message: string, fields: object): Error => Object.assign(new Error(message), fields);

it('names no address of either side of a connection', () => {
  const thrown = error('connect ENETUNREACH 10.1.2.3:443 - Local (10.9.8.7:40000)', {
    ...{ code: 'ENETUNREACH', syscall: 'connect', address: '10.1.2.3', port: 443 },
  });
  expect(failureOf(thrown)).toMatchObject({ code: 'ENETUNREACH', message: 'connect ENETUNREACH' });
});

it('names the host that was asked for', () => {
  const fields = { code: 'ENOTFOUND', syscall: 'queryA', hostname: 'a.test' };
  expect(failureOf(error('queryA ENOTFOUND a.test', fields)).message).toBe('queryA ENOTFOUND a.test');
});

it('says what is wrong with TLS without the address of a thread and the file of OpenSSL', () => {
  const thrown = error('403DA88BB77F0000:error:0A00010B:SSL routines:f:wrong version number:../x.c:77:\n', {
    ...{ code: 'ERR_SSL_WRONG_VERSION_NUMBER', library: 'SSL routines', reason: 'wrong version number' },
  });
  expect(failureOf(thrown).message).toBe('SSL routines: wrong version number');
});

it('keeps what is a failure already, and is short otherwise', () => {
  expect(failureOf(new NetworkError(denied('no')))).toEqual(denied('no'));
  expect(failureOf(error('x'.repeat(1_000), {}))).toMatchObject({
    code: 'UND_ERR',
    message: 'x'.repeat(300),
  });
});
