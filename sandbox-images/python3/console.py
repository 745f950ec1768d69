"""What a function prints and logs, as lines of the invocation that it belongs to.

Owns the bounds of a call's log, the two output streams and the levels of `logging`. A line goes out when it is
written, so that it is there whatever becomes of its call. Invariants: the lines of a
call come to at most `log_max_bytes`, a line's end counted as one; what belongs to no call under way goes to the
process's own output, where the agent takes it.
"""

import codecs
import contextvars
import io
import logging
import os
import sys
import threading
import time

LINE_MAX_CHARS = 8_192
MESSAGE_MAX_CHARS = 32_000
"""The server takes no longer ones."""
OUT, ERR = 1, 2

_current = contextvars.ContextVar("strata_call", default=None)
_level = threading.local()
_os_write = os.write
_wall = time.time


class Call:
    """The load, or one invocation."""

    __slots__ = ("instance", "nonce", "ended", "bytes", "max_bytes", "truncated", "rest", "lock")

    def __init__(self, instance, nonce, log_max_bytes):
        self.instance = instance
        self.nonce = nonce
        self.ended = False
        self.bytes = 0
        self.max_bytes = log_max_bytes
        self.truncated = False
        self.rest = {OUT: "", ERR: ""}
        # Threads of one invocation may print at once; a signal's handler may print while its own thread does.
        self.lock = threading.RLock()

    def add(self, level, text):
        message = text if len(text) <= MESSAGE_MAX_CHARS else text[:MESSAGE_MAX_CHARS] + "…"
        message = message.encode("utf-8", "replace").decode()
        size = self.bytes + len(message.encode()) + 1
        if self.truncated:
            return
        if size > self.max_bytes:
            self.truncated = True
            # At once: a call that is stopped has no answer to say it with.
            _send_line(self, level, int(_wall() * 1000), None)
            return
        self.bytes = size
        if not _send_line(self, level, int(_wall() * 1000), message):
            write_out(ERR if level in ("warn", "error") else OUT, (message + "\n").encode())

    def write(self, output, text):
        with self.lock:
            if self.ended:
                return False
            *lines, rest = (self.rest[output] + text).split("\n")
            for line in lines:
                self._add_cut(output, line)
            if len(rest) >= LINE_MAX_CHARS:
                self._add_cut(output, rest)
                rest = ""
            self.rest[output] = rest
            return True

    def message(self, level, text):
        with self.lock:
            if self.ended:
                return False
            self.add(level, text)
            return True

    def flush(self):
        for output in (OUT, ERR):
            if self.rest[output]:
                self._add_cut(output, self.rest[output])
                self.rest[output] = ""

    def _add_cut(self, output, line):
        level = "info" if output == OUT else "error"
        for start in range(0, len(line) or 1, LINE_MAX_CHARS):
            self.add(level, line[start : start + LINE_MAX_CHARS])
            if self.truncated:
                return


_open = set()


def _send_line(call, level, time_ms, message):
    return False


def on_line(send):
    """Says where lines of calls go, and None for those dropped: a function that tells whether it could send it."""
    global _send_line
    _send_line = send


def begin(call):
    _open.add(call)


def enter(call):
    """What this thread does from now on belongs to the call."""
    _current.set(call)


def leave():
    _current.set(None)


def end(call):
    """No line comes after it. False when it has ended before."""
    with call.lock:
        if call.ended:
            return False
        call.flush()
        call.ended = True
    _open.discard(call)
    return True


def end_lines():
    """Before the end of the process: what has no newline yet is a line, too."""
    for call in list(_open):
        with call.lock:
            call.flush()


def write_out(output, data):
    try:
        while data:
            data = data[_os_write(output, data) :]
    except OSError:
        pass  # The function closed it, or nobody reads it any more.


def _present():
    """The call that this thread works for: the one it was given, else the only one there is."""
    call = _current.get()
    if call is not None and not call.ended:
        return call
    candidates = list(_open)
    return candidates[0] if len(candidates) == 1 else None


def _say(output, text):
    call = _present()
    level = getattr(_level, "value", None)
    if call is not None:
        if level is None:
            taken = call.write(output, text)
        else:
            taken = text in ("", "\n") or call.message(level, text.removesuffix("\n"))
        if taken:
            return
    write_out(output, text.encode("utf-8", "backslashreplace"))


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, output, name):
        self._output = output
        self.name = name
        self.mode = "wb"
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def fileno(self):
        return self._output

    def write(self, data):
        _say(self._output, self._decoder.decode(bytes(data)))
        return memoryview(data).nbytes

    def close(self):
        pass


class _Text(io.TextIOBase):
    """`sys.stdout` and `sys.stderr`; like those of Python they take text of any thread."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    mode = "w"

    def __init__(self, output, name):
        self._output = output
        self.name = name
        self.buffer = _Bytes(output, name)

    def writable(self):
        return True

    def fileno(self):
        return self._output

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        # Of a class derived from str nothing is asked later.
        _say(self._output, str.__str__(text))
        return len(text)

    def reconfigure(self, **_):
        pass

    def close(self):
        pass


_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"))


def _emit_with_level(emit):
    def emit_with_level(self, record):
        if not isinstance(self.stream, _Text):
            return emit(self, record)
        before = getattr(_level, "value", None)
        _level.value = next((name for least, name in _LEVELS if record.levelno >= least), "debug")
        try:
            return emit(self, record)
        finally:
            _level.value = before

    return emit_with_level


def _start_within(start):
    """A thread belongs to the call that started it."""

    def start_within(self):
        call = _current.get()
        if call is not None:
            run = self.run

            def run_within():
                _current.set(call)
                run()

            self.run = run_within
        return start(self)

    return start_within


def install():
    """Puts streams and levels in place, once, before any code of the function runs."""
    sys.stdout = sys.__stdout__ = _Text(OUT, "<stdout>")
    sys.stderr = sys.__stderr__ = _Text(ERR, "<stderr>")
    logging.StreamHandler.emit = _emit_with_level(logging.StreamHandler.emit)
    # What no handler takes is shown as it is; the loggers' own levels decide what that is.
    logging.lastResort = logging.StreamHandler(sys.stderr)
    threading.Thread.start = _start_within(threading.Thread.start)
