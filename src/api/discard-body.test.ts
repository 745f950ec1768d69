import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { discardBody } from './discard-body.ts';

const incoming = (): IncomingMessage => new IncomingMessage(new Socket());

describe('discardBody', () => {
  it('ends with the body', async () => {
    const request = incoming();
    const discarded = discardBody(request, 100);
    request.push(Buffer.alloc(50));
    request.push(null);
    await discarded;
    expect(request.readableFlowing).toBe(true);
  });

  it('stops listening to a body that goes on past the bound', async () => {
    const request = incoming();
    const discarded = discardBody(request, 100);
    request.push(Buffer.alloc(101));
    await discarded;
    expect(request.listenerCount('data')).toBe(0);
  });

  it('ends when the client goes away', async () => {
    const request = incoming();
    const discarded = discardBody(request, 100);
    request.destroy();
    await discarded;
    expect(request.destroyed).toBe(true);
  });
});
