/**
 * Attacks on the way that frames take: the agent's connection, its descriptors, and the moments at which nothing is due.
 */
import { type AttackCase, file, js, once, python } from '../case.ts';
import { ATTEMPT, noModule, PYTHON_FRAMES } from '../programs.ts';

export const CHANNEL: readonly AttackCase[] = [
  {
    id: 94,
    group: 'protocol',
    name: "the agent's own connection to the server, by its name and by its descriptors",
    harmless: true,
    attacks: {
      isolate: noModule('node:net'),
      nodejs24: {
        code: js(
          `const fs = require('node:fs'); const dial = (options) => new Promise((done) => { require('node:net').connect(options).on('connect', () => done('connected')).on('error', (error) => done(error.code)); }); return [fs.readdirSync('/run/strata'), await dial({ path: '/run/strata/agent.sock' }), await dial({ host: '127.0.0.1', port: 9001 })];`,
        ),
        calls: once({ code: 'succeeded', result: [[], 'ENOENT', 'ECONNREFUSED'] }),
      },
      python3: {
        code: python(`${ATTEMPT}
import socket
def dial(family, address):
  with socket.socket(family) as caller: caller.connect(address)
abstract = [line.split()[-1] for line in open("/proc/net/unix").readlines()[1:] if "@" in line]
return [os.listdir("/run/strata"), attempt(lambda: dial(socket.AF_UNIX, "/run/strata/agent.sock")), attempt(lambda: dial(socket.AF_INET, ("127.0.0.1", 9001))), attempt(lambda: os.open("/proc/1/fd/3", os.O_RDWR)), attempt(lambda: os.open("/proc/self/fd/3", os.O_RDWR)), abstract]`),
        calls: once({
          code: 'succeeded',
          result: [[], 'ENOENT', 'ECONNREFUSED', 'EACCES', 'ENXIO', []],
        }),
      },
    },
  },
  {
    id: 379,
    group: 'protocol',
    name: 'descriptors that are handed to the agent along with a line',
    harmless: true,
    attacks: {
      python3: {
        code: python(`${PYTHON_FRAMES}
import array, socket
channel = socket.socket(fileno=os.dup(3))
gifts = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(20)])
for count in range(20):
  channel.sendmsg([packed(LOG, number(), 8, payload=b"with gifts")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, gifts)])
channel.detach()
return "sent"`),
        calls: [
          {
            expect: {
              code: 'succeeded',
              result: 'sent',
              logs: Array.from({ length: 20 }, () => 'with gifts'),
            },
          },
        ],
      },
    },
  },
  {
    id: 380,
    group: 'protocol',
    name: 'a frame before the code is loaded',
    harmless: true,
    attacks: {
      python3: {
        code: file(`import os, struct, time
def packed(kind, nonce):
  return struct.pack("<IBBHIIHdddI", 44, 1, kind, 0, 1, nonce, 0, 0.0, 0.0, 0.0, 0) + b"{}"
os.write(3, packed(8, 2))
time.sleep(600)
`),
        calls: once({ code: 'protocol_error' }),
      },
    },
  },
  {
    id: 381,
    group: 'protocol',
    name: 'a child that answers the next invocation with the number of the last',
    harmless: true,
    attacks: {
      python3: {
        code: python(`${PYTHON_FRAMES}
if event.get("leave"):
  ready, told = os.pipe()
  late = packed(OUTCOME, number(), payload=b'"late"')
  if os.fork() == 0:
    os.setsid()
    sys.told = told
    waits, _ = os.pipe()
    os.write(told, b"x")
    while not os.path.exists("/tmp/now"): time.sleep(0.005)
    send(late)
    time.sleep(600)
  os.read(ready, 1)
  return "left"
if event.get("wait"):
  open("/tmp/now", "w").close()
  time.sleep(600)
return "fresh"`),
        models: ['resident'],
        calls: [
          { event: { leave: true }, expect: { code: 'succeeded', result: 'left' } },
          { event: { wait: true }, expect: { code: 'protocol_error' } },
          { expect: { code: 'succeeded', result: 'fresh' } },
        ],
      },
    },
  },
  {
    id: 382,
    group: 'protocol',
    name: "a bootstrap's words changed under it",
    harmless: true,
    attacks: {
      isolate: {
        code: file(`
const forged = () => 'R1 8\\n"forged"';
for (const name of ['concat', 'slice', 'substring', 'replace', 'toString', 'valueOf']) String.prototype[name] = forged;
for (const name of ['get', 'set', 'has', 'delete', 'forEach']) Map.prototype[name] = forged;
for (const name of ['push', 'join', 'pop', 'shift', 'slice']) Array.prototype[name] = forged;
JSON.stringify = forged;
Number.prototype.toString = forged;
exports.handler = async () => ['own', 7, { a: null }];`),
        calls: [
          { expect: { code: 'succeeded', result: ['own', 7, { a: null }] } },
          { expect: { code: 'succeeded', result: ['own', 7, { a: null }] } },
        ],
      },
    },
  },
];
