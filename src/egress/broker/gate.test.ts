import { describe, expect, it } from 'vitest';
import type { NetworkFailure } from '../../guest/contract.ts';
import { parseRange, type Range } from '../addresses.ts';
import { parseAllowList } from '../allow-list.ts';
import { NetworkError } from '../failures.ts';
import { type Gate, pass } from './gate.ts';

type Zone = Readonly<Record<string, readonly string[]>>;

const gateOf = (zone: Zone, privateRanges: readonly string[] = [], own: readonly string[] = []) => {
  const asked: string[] = [];
  const gate: Gate = {
    resolve: async (name) => {
      asked.push(name);
      return zone[name] ?? [];
    },
    ownAddresses: () => new Set(own),
    privateRanges: privateRanges.map(parseRange) as Range[],
  };
  return { gate, asked };
};

const refusal = async (passing: Promise<unknown>): Promise<NetworkFailure> => {
  try {
    await passing;
  } catch (thrown) {
    if (thrown instanceof NetworkError) return thrown.failure;
    throw thrown;
  }
  throw new Error('it was let through');
};

const allowed = async (gate: Gate, list: readonly string[], host: string, port = 443): Promise<string[]> =>
  (await pass(gate, parseAllowList(list), host, port)).map(({ text }) => text);

describe('a name', () => {
  it('that is listed passes with all its public addresses, resolved once', async () => {
    const { gate, asked } = gateOf({ 'a.com': ['1.1.1.1', '2606:4700::1'] });
    expect(await allowed(gate, ['a.com:443'], 'a.com')).toEqual(['1.1.1.1', '2606:4700::1']);
    expect(asked).toEqual(['a.com']);
  });

  it('that is not listed is never resolved', async () => {
    const { gate, asked } = gateOf({ 'secret.b.com': ['1.1.1.1'] });
    const failure = await refusal(allowed(gate, ['a.com:443', '10.0.0.0/8:443'], 'secret.b.com'));
    expect(failure).toMatchObject({ code: 'network_denied', refused: true });
    expect(failure.message).toBe('secret.b.com:443 is not in network.allow of the function');
    expect(asked).toEqual([]);
  });

  it.each([
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '100.64.0.1',
    '0.0.0.0',
  ])('that resolves to %s is refused without telling where to', async (address) => {
    const { gate } = gateOf({ 'a.com': [address] });
    const failure = await refusal(allowed(gate, ['*:*', 'a.com:443'], 'a.com'));
    expect(failure.code).toBe('network_denied');
    expect(failure.message).not.toContain(address);
  });

  it('that has one bad address among good ones is refused', async () => {
    const { gate } = gateOf({ 'a.com': ['1.1.1.1', '10.0.0.1'] });
    expect((await refusal(allowed(gate, ['a.com:443'], 'a.com'))).code).toBe('network_denied');
  });

  it('passes to a private address only when entry and operator both name it', async () => {
    const zone = { 'db.a.com': ['10.0.0.1'] };
    const list = ['db.a.com:443', '10.0.0.0/8:443'];
    expect(await allowed(gateOf(zone, ['10.0.0.0/8']).gate, list, 'db.a.com')).toEqual(['10.0.0.1']);
    expect((await refusal(allowed(gateOf(zone).gate, list, 'db.a.com'))).code).toBe('network_denied');
    const nameAlone = allowed(gateOf(zone, ['10.0.0.0/8']).gate, ['db.a.com:443'], 'db.a.com');
    expect((await refusal(nameAlone)).code).toBe('network_denied');
    const otherPort = allowed(
      gateOf(zone, ['10.0.0.0/8']).gate,
      ['db.a.com:443', '10.0.0.0/8:80'],
      'db.a.com',
    );
    expect((await refusal(otherPort)).code).toBe('network_denied');
  });

  it('of an address of this machine is refused', async () => {
    const { gate } = gateOf({ 'a.com': ['8.8.4.4'] }, [], ['8.8.4.4']);
    expect((await refusal(allowed(gate, ['a.com:443'], 'a.com'))).message).toContain('own address');
  });

  it('without an address, or with something else, is not found', async () => {
    const { gate } = gateOf({ 'none.com': [], 'odd.com': ['0x7f.1'] });
    expect((await refusal(allowed(gate, ['*:443'], 'none.com'))).code).toBe('ENOTFOUND');
    expect((await refusal(allowed(gate, ['*:443'], 'odd.com'))).code).toBe('ENOTFOUND');
  });
});

describe('an address', () => {
  it('passes when it is named, or public and any host is allowed', async () => {
    const { gate, asked } = gateOf({});
    expect(await allowed(gate, ['1.1.1.1:443'], '1.1.1.1')).toEqual(['1.1.1.1']);
    expect(await allowed(gate, ['*:443'], '1.1.1.1')).toEqual(['1.1.1.1']);
    expect(asked).toEqual([]);
  });

  it.each(['10.0.0.1', '127.0.0.1', '169.254.169.254', '::1', 'fd00:ec2::254'])(
    'such as %s does not pass because any host is allowed',
    async (address) => {
      const { gate } = gateOf({}, ['0.0.0.0/0', '::/0']);
      expect((await refusal(allowed(gate, ['*:*'], address))).code).toBe('network_denied');
    },
  );

  it('does not pass by a name that looks like it', async () => {
    const { gate } = gateOf({});
    expect((await refusal(allowed(gate, ['*.1.1.1.com:443', 'a.com:443'], '1.1.1.1'))).code).toBe(
      'network_denied',
    );
  });

  it('that is private needs the operator as well', async () => {
    const list = ['10.0.0.1:443'];
    expect((await refusal(allowed(gateOf({}).gate, list, '10.0.0.1'))).message).toContain('private');
    expect(await allowed(gateOf({}, ['10.0.0.0/8']).gate, list, '10.0.0.1')).toEqual(['10.0.0.1']);
  });
});
