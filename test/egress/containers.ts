/**
 * Functions in containers that run what their event says, in a world with names and upstreams.
 */
import type { Receipt } from '../../src/core/receipt.ts';
import { call, deploy, invoke, type Reply } from '../e2e/http-client.ts';
import type { World } from './world.ts';

const NODE = `const AsyncFunction = (async () => {}).constructor;
exports.handler = ({ code, ...event }) => new AsyncFunction('require', 'event', code)(require, event);`;

const PYTHON = `
import http.client, json, os, socket, ssl, threading, time, urllib.error, urllib.request

PROXY = ("127.0.0.1", 9002)

def connect(head, rest=b""):
    connection = socket.create_connection(PROXY)
    connection.settimeout(10)
    connection.sendall(head.encode("latin1") + rest)
    return connection

def read(connection, most=1 << 30):
    data = b""
    try:
        while len(data) < most and (part := connection.recv(65536)):
            data += part
    except ConnectionResetError:
        data += b"<reset>"
    return data

def ask(head, rest=b""):
    return read(connect(head, rest)).decode("latin1")

def status(text):
    return int(text.split(" ", 2)[1]) if text.startswith("HTTP/1.1 ") else text

KEPT = {}

def handler(event, context):
    scope = dict(globals(), event=event)
    exec(event["code"], scope)
    return scope.get("answer")
`;

/** Answers with what a shell command wrote. */
const SHELL = `#!/usr/bin/python3
import json, os, subprocess, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as response:
        name = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    done = subprocess.run(["sh", "-c", event["code"]], capture_output=True, text=True)
    body = json.dumps({"code": done.returncode, "out": done.stdout, "err": done.stderr[-500:]}).encode()
    urllib.request.urlopen(api + name + "/response", body).read()
`;

export type ContainerRuntimeName = 'nodejs24' | 'python3' | 'provided';

const CODE: Readonly<Record<ContainerRuntimeName, object>> = {
  nodejs24: { source: NODE },
  python3: { source: PYTHON },
  provided: { files: { bootstrap: SHELL } },
};

/** Deploys a function of this runtime that runs code. */
export const runner = async (
  { server }: World,
  name: string,
  runtime: ContainerRuntimeName,
  allow: readonly string[],
  spec: Readonly<Record<string, unknown>> = {},
): Promise<void> => {
  const limits = { timeoutMs: 30_000, cpuMs: 20_000, initTimeoutMs: 20_000, memoryMb: 256 };
  const network = { allow };
  await deploy(server, name, '', { runtime, code: CODE[runtime], ...limits, network, ...spec });
};

export interface Ran {
  readonly result: unknown;
  readonly receipt: Receipt;
  readonly reply: Reply;
}

/** Runs code in it. The result is whatever the code makes of it; a failure is thrown. */
export const run = async (
  { server }: World,
  name: string,
  code: string,
  event: Readonly<Record<string, unknown>> = {},
): Promise<Ran> => {
  const reply = await invoke(server, name, { ...event, code });
  const id = String(reply.headers['strata-invocation-id']);
  const receipt = (await call(server, 'GET', `/v1/invocations/${id}`)).json as Receipt;
  if (reply.status !== 200) throw new Error(`${name} failed: ${reply.text}`);
  return { result: reply.json, receipt, reply };
};
