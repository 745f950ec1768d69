/**
 * Means to reach the network that should not be there: kinds of sockets, other APIs, other people's sockets, requests at
 * times when there are none.
 */
import type { CodeUpload } from '../../core/spec.ts';
import { type AttackCase, file, js, once, python } from '../case.ts';

/** AF_UNIX, AF_INET and AF_INET6. */
const FAMILIES = [1, 2, 10];

const SOCKET = `import socket
def attempt(what):
  try:
    what()
    return "allowed"
  except OSError as failed:
    return errno.errorcode.get(failed.errno, str(failed))`;
const pythonSocket = (body: string): CodeUpload => python(`${SOCKET}\n${body}`);

export const NETWORK_MEANS_CASES: readonly AttackCase[] = [
  {
    ...{ id: 100, group: 'network', name: 'a socket to the machine below', harmless: true },
    attacks: {
      python3: {
        code: pythonSocket(
          `return [attempt(lambda: socket.socket(40, kind)) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)] + [os.path.exists("/dev/vsock")]`,
        ),
        calls: once({ code: 'succeeded', result: ['EPERM', 'EPERM', 'EPERM', false] }),
      },
    },
  },
  {
    ...{ id: 393, group: 'network', name: 'sockets of every family there is', harmless: true },
    attacks: {
      python3: {
        code: pythonSocket(`families = set()
for family in range(1, 50):
  for kind in range(1, 7):
    if attempt(lambda: socket.socket(family, kind).close()) == "allowed": families.add(family)
    if family > 2 and attempt(lambda: [one.close() for one in socket.socketpair(family, kind)]) == "allowed": families.add(family)
return sorted(families)`),
        calls: once({ code: 'succeeded', result: FAMILIES }),
      },
    },
  },
  {
    ...{ id: 394, group: 'network', name: 'sockets below TCP and UDP', harmless: true },
    attacks: {
      python3: {
        code: pythonSocket(`return [
  attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
  attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)),
  attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)),
  attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)),
  attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)),
]`),
        calls: once({
          code: 'succeeded',
          result: Array(5).fill('EPERM'),
        }),
      },
    },
  },
  {
    ...{ id: 395, group: 'network', name: 'everybody on the network at once', harmless: true },
    attacks: {
      python3: {
        code: pythonSocket(`def send(family, address):
  with socket.socket(family, socket.SOCK_DGRAM) as sender:
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sender.sendto(b"anybody", address)
return [attempt(lambda: send(socket.AF_INET, ("255.255.255.255", 9))), attempt(lambda: send(socket.AF_INET, ("224.0.0.1", 9))), attempt(lambda: send(socket.AF_INET6, ("ff02::1", 9)))]`),
        calls: once({ code: 'succeeded', result: ['ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH'] }),
      },
    },
  },
  {
    ...{
      id: 396,
      group: 'network',
      name: 'sockets without a file, of programs of the machine',
      harmless: true,
    },
    attacks: {
      python3: {
        code: pythonSocket(`def dial(path):
  with socket.socket(socket.AF_UNIX) as caller: caller.connect(path)
names = ["\\0/containerd-shim/moby", "\\0/tmp/.X11-unix/X0", "\\0/org/freedesktop/systemd1"]
listed = [line.split()[-1] for line in open("/proc/net/unix") if "@" in line or "docker" in line or "containerd" in line]
return [[attempt(lambda: dial(name)) for name in names], listed]`),
        calls: once({ code: 'succeeded', result: [['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'], []] }),
      },
    },
  },
  {
    ...{
      id: 397,
      group: 'network',
      name: 'interfaces, routes and neighbours of the machine',
      harmless: true,
    },
    attacks: {
      nodejs24: {
        code: js(`const fs = require('fs'); const lines = (path) => fs.readFileSync(path, 'utf8').trim().split('\\n');
  let interfaces; try { interfaces = Object.keys(require('os').networkInterfaces()); } catch (error) { interfaces = error.code; }
  return { interfaces, devices: fs.readdirSync('/sys/class/net'), routes: lines('/proc/net/route').length - 1, neighbours: lines('/proc/net/arp').length - 1, others: lines('/proc/net/tcp').slice(1).filter((line) => !/^ *\\d+: (?:0100007F|00000000):/.test(line)) };`),
        calls: once({
          ...{ code: 'succeeded' },
          result: { interfaces: 'ERR_SYSTEM_ERROR', devices: ['lo'], routes: 0, neighbours: 0, others: [] },
        }),
      },
    },
  },
  {
    ...{ id: 398, group: 'network', name: 'names and name servers of the machine', harmless: true },
    attacks: {
      nodejs24: {
        code: js(`const fs = require('fs'); const read = (path) => { try { return fs.readFileSync(path, 'utf8'); } catch (error) { return error.code; } };
  const servers = read('/etc/resolv.conf').split('\\n').filter((line) => line.startsWith('nameserver'));
  const write = (path) => { try { fs.appendFileSync(path, '127.0.0.1 x'); return 'written'; } catch (error) { return error.code; } };
  const hosts = read('/etc/hosts').split('\\n').map((line) => line.split(/\\s+/)[0]).filter((address) => /^\\d/.test(address) && !address.startsWith('127.'));
  const set = Object.keys(process['env']).filter((name) => /proxy/i.test(name));
  return { servers, hosts, set, written: [write('/etc/resolv.conf'), write('/etc/hosts')] };`),
        calls: once({
          code: 'succeeded',
          result: { servers: [], hosts: [], set: [], written: ['EACCES', 'EACCES'] },
        }),
      },
    },
  },
  {
    ...{ id: 399, group: 'network', name: 'sockets that change the network they are in', harmless: true },
    attacks: {
      python3: {
        code: pythonSocket(`def option(level, name, value):
  with socket.socket(socket.AF_INET) as one: one.setsockopt(level, name, value)
def bind(address):
  with socket.socket(socket.AF_INET) as one: one.bind(address)
return [
  attempt(lambda: option(socket.SOL_SOCKET, 36, 1)),
  attempt(lambda: option(socket.SOL_SOCKET, 33, 1 << 30)),
  attempt(lambda: option(socket.SOL_IP, 19, 1)),
  attempt(lambda: bind(("192.0.2.1", 0))),
  attempt(lambda: open("/proc/sys/net/ipv4/ip_forward", "w").write("1")),
]`),
        calls: once({ code: 'succeeded', result: ['EPERM', 'EPERM', 'EPERM', 'EADDRNOTAVAIL', 'EROFS'] }),
      },
    },
  },
  {
    ...{ id: 400, group: 'network', name: 'a request that would be two', harmless: true },
    attacks: {
      isolate: {
        code: js(`const found = [];
  for (const init of [{ headers: { 'x-a': 'b\\r\\nHost: c' } }, { headers: { 'x\\r\\ny': 'b' } }, { method: 'GET / HTTP/1.1\\r\\nHost: c\\r\\n\\r\\nGET' }, { method: 'CONNECT' }, { method: 'TRACE' }])
    await fetch('http://api.example/', init).then(() => found.push('sent'), (error) => found.push(error.name));
  return found;`),
        spec: { network: { allow: ['api.example:80'] } },
        calls: once({
          ...{ code: 'succeeded', result: Array(5).fill('TypeError') },
          network: { requests: 0, refused: 0 },
        }),
      },
    },
  },
  {
    ...{ id: 401, group: 'network', name: 'schemes that are not of the web', harmless: true },
    attacks: {
      isolate: {
        code: js(`const found = [];
  for (const url of ['file:///etc/passwd', 'data:text/plain,x', 'blob:x', 'ftp://192.0.2.1/', 'gopher://192.0.2.1/', 'unix:/var/run/docker.sock', 'ws://192.0.2.1/', 'about:blank', 'javascript:1', '//192.0.2.1/', '/etc/passwd', ''])
    await fetch(url).then(() => found.push('sent'), (error) => found.push(error.name));
  return [...new Set(found)];`),
        spec: { network: { allow: ['*:*'] } },
        calls: once({ code: 'succeeded', result: ['TypeError'], network: { requests: 9, refused: 0 } }),
      },
    },
  },
  {
    ...{ id: 402, group: 'network', name: 'other ways out than fetch', harmless: true },
    attacks: {
      isolate: {
        code: js(`const names = ['XMLHttpRequest', 'WebSocket', 'WebSocketStream', 'WebTransport', 'EventSource', 'RTCPeerConnection', 'Worker', 'SharedWorker', 'BroadcastChannel', 'importScripts', 'caches', 'Deno', 'Bun'];
  const found = names.filter((name) => typeof globalThis[name] !== 'undefined');
  if (typeof navigator?.sendBeacon !== 'undefined') found.push('sendBeacon');
  for (const name of ['net', 'node:net', 'dns', 'http', 'https', 'tls', 'dgram', 'undici'])
    try { require(name); found.push(name); } catch {}
  return found;`),
        calls: once({ code: 'succeeded', result: [] }),
      },
    },
  },
  {
    ...{ id: 403, group: 'network', name: 'two hundred requests at once without a network', harmless: true },
    attacks: {
      isolate: {
        code: js(`const all = await Promise.all(Array.from({ length: 200 }, (_, at) => fetch('http://192.0.2.' + at + '/').then(() => 'sent', (error) => error.cause.code)));
  return [...new Set(all)].sort();`),
        calls: once({
          ...{ code: 'succeeded', result: ['network_denied'] },
          network: { requests: 200, refused: 200, code: 'network_denied' },
        }),
      },
    },
  },
  {
    ...{ id: 404, group: 'network', name: 'a request while the code is loaded', harmless: true },
    attacks: {
      isolate: {
        code: file(`const early = fetch('http://api.example/').then(() => 'sent', (error) => error.cause.code);
exports.handler = async () => await early;`),
        spec: { network: { allow: ['api.example:80'] } },
        calls: once({ code: 'succeeded', result: 'network_denied', network: { requests: 0, refused: 0 } }),
      },
    },
  },
  {
    ...{
      id: 405,
      group: 'network',
      name: 'a request of one invocation that another is to make',
      harmless: true,
    },
    attacks: {
      isolate: {
        code: file(`let resolve; let outcome = 'none';
exports.handler = async (event) => {
  if (event.first) {
    new Promise((done) => { resolve = done; }).then(() => fetch('http://192.0.2.1/')).then(() => { outcome = 'sent'; }, (error) => { outcome = error.cause.message; });
    return 'left';
  }
  resolve();
  await new Promise((done) => setTimeout(done, 20));
  return outcome;
};`),
        models: ['resident'],
        calls: [
          { event: { first: true }, expect: { code: 'succeeded', result: 'left', network: { requests: 0 } } },
          { expect: { code: 'succeeded', network: { requests: 1, refused: 1 } } },
        ],
      },
    },
  },
  {
    ...{ id: 406, group: 'network', name: 'a URL that changes while it is read', harmless: true },
    attacks: {
      isolate: {
        code: js(`let reads = 0;
  const url = { toString() { reads += 1; return reads === 1 ? 'http://127.0.0.1/' : 'http://api.example/'; } };
  const outcome = await fetch(url).then(() => 'sent', (error) => error.cause.message);
  return [reads, outcome.includes('127.0.0.1:80')];`),
        spec: { network: { allow: ['api.example:80'] } },
        calls: once({ code: 'succeeded', result: [1, true], network: { requests: 1, refused: 1 } }),
      },
    },
  },
  {
    ...{
      id: 407,
      group: 'network',
      name: 'a fetch whose means were replaced by the function',
      harmless: true,
    },
    attacks: {
      isolate: {
        code: js(`URL.prototype.toString = () => 'http://api.example/';
  Object.defineProperty(URL.prototype, 'host', { get: () => 'api.example' });
  Object.defineProperty(URL.prototype, 'hostname', { get: () => 'api.example' });
  JSON.stringify = () => '{"url":"http://api.example/"}';
  let outcome; try { outcome = (await fetch('http://127.0.0.1/')).status; } catch (error) { outcome = error.cause ? error.cause.code : error.name; }
  return outcome;`),
        spec: { network: { allow: ['api.example:80'] } },
        calls: once({
          code: 'succeeded',
          result: 'ERR_INVALID_REQUEST',
          network: { requests: 1, refused: 0 },
        }),
      },
    },
  },
  {
    ...{ id: 408, group: 'network', name: 'a server for others in a container', harmless: true },
    attacks: {
      nodejs24: {
        code: js(`const server = require('net').createServer().listen(0, '0.0.0.0');
  await require('events').once(server, 'listening');
  const { port } = server.address(); let others; try { others = Object.values(require('os').networkInterfaces()); } catch { others = []; }
  server.close();
  return [port > 0, others];`),
        calls: once({ code: 'succeeded', result: [true, []] }),
      },
    },
  },
];
