import { once } from 'node:events';
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { whenClosed } from './disconnects.ts';

it('a connection has one listener for all who wait on it, and none when the last has been served', () => {
  const socket = new Socket();
  const before = socket.listenerCount('close');
  const takeBack = Array.from({ length: 100 }, () => whenClosed(socket, () => {}));
  expect(socket.listenerCount('close')).toBe(before + 1);
  for (const stop of takeBack) {
    stop();
    stop();
  }
  expect(socket.listenerCount('close')).toBe(before);
});

it('its end is told once to each who still waits, and to nobody else', async () => {
  const socket = new Socket();
  const told: string[] = [];
  const served = whenClosed(socket, () => told.push('served'));
  const same = (): void => void told.push('waits');
  whenClosed(socket, same);
  const late = whenClosed(socket, same);
  served();
  socket.destroy();
  await once(socket, 'close');
  late();
  socket.emit('close');
  expect(told).toEqual(['waits', 'waits']);
});

it('who comes after the end is told at once', () => {
  const socket = new Socket();
  socket.destroy();
  let told = 0;
  whenClosed(socket, () => {
    told += 1;
  })();
  expect(told).toBe(1);
});
