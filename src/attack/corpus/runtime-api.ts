/**
 * Attacks on the Runtime API, by which a program of one's own speaks to the agent.
 */
import type { Attack, AttackCase } from '../case.ts';

/**
 * A bootstrap that does as these lines of Python say, with \`event\` and \`id\`. \`ask\` is a request over the connection that
 * is kept, \`raw\` sends bytes over one of its own and answers with the status line. \`post\` answers the status alone.
 */
const program = (lines: string): Attack['code'] => ({
  source: `#!/usr/bin/python3 -I
import http.client, json, os, socket, sys, time
PREFIX = "/2018-06-01/runtime"
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = http.client.HTTPConnection(host, int(port))
def ask(method, path, body=None):
  api.request(method, PREFIX + path, body)
  answer = api.getresponse()
  return answer, answer.read().decode()
def post(path, body=b"{}"):
  answer, text = ask("POST", path, body)
  return answer.status
def raw(data):
  with socket.create_connection((host, int(port))) as caller:
    caller.settimeout(2)
    caller.sendall(data)
    caller.shutdown(socket.SHUT_WR)
    return b"".join(iter(lambda: caller.recv(65536), b"")).split(b"\\r\\n")[0].decode()
kept = {}
while True:
  answer, event = ask("GET", "/invocation/next")
  id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
  event = json.loads(event)
  def reply(value): return post(f"/invocation/{id}/response", json.dumps(value))
${lines.replaceAll(/^/gm, '  ')}
`,
});

const BAD = 'HTTP/1.1 400 Bad Request';

export const RUNTIME_API_CASES: readonly AttackCase[] = [
  {
    id: 383,
    group: 'protocol',
    name: 'answers to the Runtime API for others, for nobody, and twice',
    harmless: true,
    attacks: {
      provided: {
        code: program(`seen = [post(f"/invocation/{other}/response", '"forged"') for other in ("00000000-0000-0000-0000-000000000000", "x", "../..", "%2e%2e", "x" * 128, kept.get("last", "none"))]
before = kept.get("after", [])
reply([seen, before])
kept["after"] = [post(f"/invocation/{id}/response", '"second"'), post(f"/invocation/{id}/error"), post("/init/error"), post("/nothing"), ask("DELETE", f"/invocation/{id}/response")[0].status]
kept["last"] = id`),
        models: ['resident'],
        calls: [
          { expect: { code: 'succeeded', result: [[400, 400, 404, 400, 400, 400], []] } },
          {
            expect: {
              code: 'succeeded',
              result: [
                [400, 400, 404, 400, 400, 403],
                [403, 403, 403, 404, 404],
              ],
            },
          },
        ],
      },
    },
  },
  {
    id: 384,
    group: 'protocol',
    name: 'an answer for another invocation alone',
    harmless: true,
    attacks: {
      provided: {
        code: program('post("/invocation/no-such-id/response", \'"forged"\')\ntime.sleep(600)'),
        spec: { timeoutMs: 400 },
        calls: [{ expect: { code: 'function_timeout', limit: 'timeoutMs' } }],
      },
    },
  },
  {
    id: 385,
    group: 'protocol',
    name: 'requests to the Runtime API that two readers would read differently',
    harmless: true,
    attacks: {
      provided: {
        code: program(`body = b'"smuggled"'
head = f"POST {PREFIX}/invocation/{id}/response HTTP/1.1\\r\\n".encode()
chunks = b"a\\r\\n" + body + b"\\r\\n0\\r\\n\\r\\n"
reply([raw(data) for data in (
  head + b"Content-Length: 10\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" + chunks,
  head + b"Content-Length: 10\\r\\nContent-Length: 11\\r\\n\\r\\n" + body,
  head + b"Content-Length: +10\\r\\n\\r\\n" + body,
  head + b"Content-Length: 99999999999999999999\\r\\n\\r\\n" + body,
  head + b"Transfer-Encoding: xchunked\\r\\n\\r\\n" + chunks,
  head + b"Transfer-Encoding: chunked\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" + chunks,
  head + b"Transfer-Encoding: chunked\\r\\n\\r\\n-a\\r\\n" + body,
  head + b"Content-Length : 10\\r\\n\\r\\n" + body,
  head + b"X: a\\x00b\\r\\nContent-Length: 10\\r\\n\\r\\n" + body,
  head + b" folded\\r\\nContent-Length: 10\\r\\n\\r\\n" + body,
  b"GET\\r\\n\\r\\n",
  bytes(range(256)) + b"\\r\\n\\r\\n",
)])`),
        calls: [{ expect: { code: 'succeeded', result: Array.from({ length: 12 }, () => BAD) } }],
      },
    },
  },
  {
    id: 386,
    group: 'protocol',
    name: 'a head for the Runtime API without end, and a body larger than it says',
    harmless: true,
    attacks: {
      provided: {
        code: program(`head = f"POST {PREFIX}/invocation/{id}/response HTTP/1.1\\r\\n".encode()
reply([raw(head + b"X: " + b"x" * 20000), raw(b"x" * 20000), raw(head + b"Content-Length: 10\\r\\n\\r\\n1"), raw(head + b"Transfer-Encoding: chunked\\r\\n\\r\\n" + b"1" * 1000)])`),
        calls: [
          {
            expect: {
              code: 'succeeded',
              result: [
                'HTTP/1.1 431 Request Header Fields Too Large',
                'HTTP/1.1 431 Request Header Fields Too Large',
                '',
                BAD,
              ],
            },
          },
        ],
      },
    },
  },
  {
    id: 387,
    group: 'protocol',
    name: 'connections to the Runtime API that are opened and never used',
    harmless: true,
    attacks: {
      provided: {
        code: program(`held = [socket.create_connection((host, int(port))) for _ in range(20)]
for caller in held[::2]: caller.sendall(b"POST ")
reply(len(held))
for caller in held: caller.close()`),
        calls: [{ expect: { code: 'succeeded', result: 20 } }, { expect: { code: 'succeeded', result: 20 } }],
      },
    },
  },
  {
    id: 388,
    group: 'protocol',
    name: 'a second request for work while one is under way, and by a child behind its back',
    harmless: true,
    attacks: {
      provided: {
        code: program(`second = ask("GET", "/invocation/next")[0].status
if os.fork() == 0:
  thief = http.client.HTTPConnection(host, int(port))
  thief.request("GET", PREFIX + "/invocation/next")
  os._exit(thief.getresponse().status == 200)
_, status = os.wait()
reply([second, os.waitstatus_to_exitcode(status)])`),
        calls: [{ expect: { code: 'succeeded', result: [403, 0] } }],
      },
    },
  },
];
