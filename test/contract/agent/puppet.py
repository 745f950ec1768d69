"""A code process for tests of the agent: it runs whatever Python it gets as an event.

Takes the place of a language's shim. The event's code finds `answer(payload)`, `send(type, nonce, ...)`, `raw(bytes)`
and the call's `nonce`. The same file is the zygote's child: then `main()` is called after the fork.
"""

import os
import socket
import struct
import sys
import traceback

BOOTED, LOAD, LOADED, INVOKE, OUTCOME = 3, 5, 6, 7, 8
HEAD = struct.Struct("<BBHIHIdddI")


def frame(kind, nonce=0, flags=0, a=0.0, b=0.0, c=0.0, meta=b"", payload=b"", version=1, instance=0):
    head = HEAD.pack(version, kind, flags, instance, nonce & 0xFFFF, nonce >> 16, a, b, c, len(meta))
    body = head + meta + payload
    return struct.pack("<I", len(body)) + body


def main():
    channel = socket.socket(fileno=3)

    def raw(data):
        channel.sendall(data)

    def send(kind, nonce=0, **fields):
        raw(frame(kind, nonce, **fields))

    def read(count):
        data = b""
        while len(data) < count:
            part = channel.recv(count - len(data))
            if not part:
                os._exit(0)
            data += part
        return data

    send(BOOTED)
    while True:
        (length,) = struct.unpack("<I", read(4))
        body = read(length)
        _, kind, _, _, low, high, a, b, _, meta_bytes = HEAD.unpack_from(body)
        nonce = low | high << 16
        meta = body[HEAD.size : HEAD.size + meta_bytes]
        payload = body[HEAD.size + meta_bytes :]
        if kind == LOAD:
            code = meta.decode() or "send(LOADED, nonce)"
        else:
            code = payload.decode()

        def answer(result=b"", flags=0, nonce=nonce):
            send(OUTCOME, nonce, payload=result if isinstance(result, bytes) else str(result).encode(), flags=flags)

        scope = dict(globals(), **locals())
        try:
            exec(code, scope)
        except Exception:
            answer(traceback.format_exc(), flags=1)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
