/**
 * Pieces of programs that attacks in containers are made of: a bootstrap around a Python body, names for what failed,
 * raw system calls, and frames that a function writes itself.
 *
 * Owns text only. Everything is interpreted where it runs, so that no compiler is needed where the attacks are started.
 */
import { type Attack, type AttackCase, type FunctionCase, file, js, once, python } from './case.ts';

/** The same body as `python` takes, as a program that speaks the Runtime API itself. */
export const bootstrap = (body: string): Attack['code'] => ({
  source: `#!/usr/bin/python3 -I
import http.client, json, os, sys, time, errno
def handler(event, context):
${body.replaceAll(/^/gm, '  ')}
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None):
  api.request(method, "/2018-06-01/runtime" + path, body)
  answer = api.getresponse()
  return answer, answer.read().decode()
while True:
  answer, event = ask("GET", "/invocation/next")
  id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
  ask("POST", f"/invocation/{id}/response", json.dumps(handler(json.loads(event), None)))
`,
});

/** A shell program that takes each event, runs these lines, and answers with what they leave in \`answer\`. */
export const shell = (lines: string): Attack['code'] => ({
  source: `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  answer=null
${lines}
  curl -sS -o /dev/null --data-binary "$answer" "$api/invocation/$id/response"
done
`,
});

/** The same body on both runtimes that have Python. */
export const onBothPythons = (body: string, rest: Omit<Attack, 'code'>): FunctionCase['attacks'] => ({
  python3: { code: python(body), ...rest },
  provided: { code: bootstrap(body), ...rest },
});

/**
 * Python. `attempt` answers with the name of an attempt's error, or `done`; `refused` does the same, and calls one name
 * what kernels and security modules refuse under different ones.
 */
export const ATTEMPT = `
def attempt(what):
  try:
    what()
    return "done"
  except OSError as failed:
    return errno.errorcode.get(failed.errno, str(failed.errno))
def refused(what):
  answer = attempt(what)
  return "refused" if answer in ("EPERM", "EACCES", "EROFS", "ENOENT", "ENOSYS", "ENOTDIR") else answer
def write(path):
  return lambda: open(path, "wb", buffering=0).write(b"0")
def read(path):
  return lambda: open(path, "rb", buffering=0).read(1)
`;

/** JavaScript. The same for Node. */
export const NODE_ATTEMPT = `
const fs = require('node:fs');
const attempt = (what) => { try { what(); return 'done'; } catch (error) { return error.code ?? String(error); } };
const refused = (what) => { const answer = attempt(what); return ['EPERM', 'EACCES', 'EROFS', 'ENOENT', 'ENOTDIR'].includes(answer) ? 'refused' : answer; };
`;

/** Each of these names with the same answer. */
export const each = (names: readonly string[], answer: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, answer]));

/** Python. `system(number on x86-64, number on arm64, …)` makes a system call past every library. */
export const SYSTEM = `
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def system(x86, arm, *args):
  ctypes.set_errno(0)
  answer = libc.syscall(arm if ARM else x86, *args)
  return "done" if answer >= 0 else errno.errorcode.get(ctypes.get_errno(), "unknown")
`;

/** The number on x86-64, that on arm64 (0 where there is none), the arguments in Python, and what is answered instead of EPERM. */
export type SystemCall = readonly [x86: number, arm: number, args: string, answer?: string];

/** A case that makes these system calls one after the other and is refused each. */
export const systemCallCase = (
  head: Pick<FunctionCase, 'id' | 'name'>,
  calls: Readonly<Record<string, SystemCall>>,
  more: FunctionCase['attacks'] = {},
): AttackCase => {
  const entries = Object.entries(calls);
  const lines = entries.map(
    ([name, [x86, arm, args, answer = 'EPERM']]) =>
      // What an architecture does not have it cannot be attacked by.
      `  "${name}": ${arm === 0 ? `"${answer}" if ARM else ` : ''}system(${[x86, arm, args].join(', ')}),`,
  );
  const body = `${SYSTEM}\nreturn {\n${lines.join('\n')}\n}`;
  const result = Object.fromEntries(entries.map(([name, [, , , answer = 'EPERM']]) => [name, answer]));
  const attacks = { ...onBothPythons(body, { calls: once({ code: 'succeeded', result }) }), ...more };
  return { group: 'privilege', harmless: true, ...head, attacks };
};

/**
 * Python, for the runtime \`python3\`. The shim's own variables tell the number of the open call; \`packed\` makes a frame and
 * \`send\` writes it to the agent.
 */
export const PYTHON_FRAMES = `
import struct
def number():
  at = sys._getframe()
  while True:
    frame = at.f_locals.get("frame")
    if hasattr(frame, "nonce"): return frame.nonce
    at = at.f_back
def packed(kind, nonce, flags=0, meta=b"", payload=b"", a=0.0, b=0.0, c=0.0, version=1):
  length = 42 + len(meta) + len(payload)
  return struct.pack("<IBBHIIHdddI", length, version, kind, flags, 1, nonce & 0xffffffff, nonce >> 32, a, b, c, len(meta)) + meta + payload
def send(data):
  while data: data = data[os.write(3, data):]
BOOTED, LOADED, OUTCOME, LOG = 3, 6, 8, 15
FAILED = 3
`;

/** JavaScript, for a whole file: the number of the open call is read over the shim's shoulder. */
export const NODE_FRAMES = `
const fs = require('node:fs');
let number = 0;
const read = Buffer.prototype.readUIntLE;
Buffer.prototype.readUIntLE = function (at, count) {
  const value = read.call(this, at, count);
  if (count === 6) number = value;
  return value;
};
const packed = (kind, nonce, { flags = 0, meta = '', payload = '' } = {}) => {
  const frame = Buffer.alloc(46 + meta.length + payload.length);
  frame.writeUInt32LE(frame.length - 4, 0);
  frame[4] = 1;
  frame[5] = kind;
  frame.writeUInt16LE(flags, 6);
  frame.writeUIntLE(nonce, 12, 6);
  frame.writeUInt32LE(meta.length, 42);
  frame.write(meta + payload, 46);
  return frame;
};
const OUTCOME = 8;
const FAILED = 3;
const never = new Promise(() => {});
`;

/** What a process claims in the tail of an outcome. */
export const claim = (code: string): string =>
  JSON.stringify({ failure: { code, detail: 'x', error: null, limit: null }, logs: [], logTruncated: false });

/** There is nothing of the kind to ask for. */
export const noModule = (name: string): Attack => ({
  code: js(`return require('${name}');`),
  calls: once({
    code: 'function_error',
    error: { type: 'Error', message: new RegExp(`^Cannot find module '${name}'`) },
  }),
});

/** Python that writes to its channel and then never answers. */
export const writing = (lines: string): Attack['code'] =>
  python(`${PYTHON_FRAMES}\n${lines}\ntime.sleep(600)`);

/** The same for Node; `send` writes one frame or more. */
export const nodeWriting = (lines: string): Attack['code'] =>
  file(`${NODE_FRAMES}
const send = (...frames) => fs.writeSync(3, Buffer.concat(frames));
exports.handler = (event) => { ${lines} return never; };`);

/** The isolate's own `process` has an environment and nothing else. */
export const noMethod = (name: string): Attack => ({
  code: js(`${name}(0);`),
  calls: once({ code: 'function_error', error: { type: 'TypeError', message: `${name} is not a function` } }),
});
