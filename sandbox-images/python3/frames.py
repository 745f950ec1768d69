"""The framed protocol with the agent, as `src/sandbox/protocol/frames.ts` lays it down.

Owns the layout and the two ends of the connection. Never interprets a frame. Invariant: a frame goes out
whole, whatever threads there are.
"""

import os
import socket
import struct
import threading

VERSION = 1
BOOTED, LOAD, LOADED, INVOKE, OUTCOME, LOG = 3, 5, 6, 7, 8, 15
FAILED, HAS_TAIL = 1, 2
OF_CALL, DROPPED = 8, 4
MAX_BYTES = 256 * 1024 * 1024
"""The agent has held every frame against its own, smaller bound."""

# u32 bytes that follow, u8 version, u8 type, u16 flags, u32 instance, u48 nonce, f64 a, b, c, u32 meta bytes
_HEAD = struct.Struct("<IBBHIIHdddI")
_LENGTH_BYTES = 4
_pack, _unpack = _HEAD.pack, _HEAD.unpack


class Frame:
    __slots__ = ("type", "instance", "nonce", "a", "meta", "payload")

    def __init__(self, type, instance, nonce, a, meta, payload):
        self.type = type
        self.instance = instance
        self.nonce = nonce
        self.a = a
        self.meta = meta
        self.payload = payload


class Connection:
    def __init__(self, descriptor):
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._recv_into = self._socket.recv_into
        self._sendall = self._socket.sendall
        self._lock = threading.Lock()
        self._sender = None
        self._get_ident = threading.get_ident
        self._pid = os.getpid()
        self._getpid = os.getpid
        self._exit = os._exit

    def read(self):
        """The next frame, or None when the agent is gone."""
        head = self._read(_HEAD.size)
        if head is None:
            return None
        length, version, type_, _, instance, low, high, a, _, _, meta_bytes = _unpack(head)
        rest = length + _LENGTH_BYTES - _HEAD.size
        if version != VERSION or rest < meta_bytes or length > MAX_BYTES:
            raise ValueError(f"a frame of version {version} with {length} bytes, {meta_bytes} of them meta")
        body = self._read(rest)
        if body is None:
            return None
        return Frame(type_, instance, low | high << 32, a, body[:meta_bytes].decode(), body[meta_bytes:])

    def send(self, type_, instance, nonce, flags=0, a=0.0, b=0.0, c=0.0, meta=b"", payload=b""):
        if self._getpid() != self._pid:
            # A copy of this process, forked by the function: it is not the one that answers.
            self._exit(0)
        length = _HEAD.size - _LENGTH_BYTES + len(meta) + len(payload)
        head = _pack(
            length, VERSION, type_, flags, instance, nonce & 0xFFFFFFFF, nonce >> 32, a, b, c, len(meta)
        )
        with self._lock:
            self._sender = self._get_ident()
            try:
                self._sendall(head + meta + payload)
            finally:
                self._sender = None

    def may_send(self):
        """Not in a copy of this process, and not in a signal's handler that came while this thread was sending."""
        return self._getpid() == self._pid and self._sender != self._get_ident()

    def _read(self, count):
        buffer = bytearray(count)
        view = memoryview(buffer)
        while view:
            got = self._recv_into(view)
            if got == 0:
                return None
            view = view[got:]
        return bytes(buffer)
