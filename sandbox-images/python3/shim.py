"""What runs in a child of the zygote: one function, its load and its invocations.

Owns who runs what: the main thread, so that what was made at import may be used there, and more threads when
invocations overlap. A thread of its own reads the frames. Never decides about time, memory or CPU: the server
does, and the agent kills. Invariant: each call is answered once; an idle process has no thread that wakes up.
"""

import _thread
import asyncio
import inspect
import json
import os
import sys
import time
import types
from queue import SimpleQueue

import console
import failures
import frames
import function

AGENT_FD = 3
_LEVELS = {"debug": 0, "info": 1, "warn": 2, "error": 3}
TOO_LARGE_REMEDY = "Return less, or store the data elsewhere."
_monotonic = time.monotonic
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_isawaitable = inspect.isawaitable
_run_async = asyncio.run
_exit = os._exit


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


class ClientContext:
    """What a client says of itself, as Lambda's Python runtime has it."""

    def __init__(self, told):
        client = told.get("client")
        self.client = Client(client) if isinstance(client, dict) else None
        self.custom = told.get("custom")
        self.env = told.get("env")


class Client:
    """The application of a client."""

    def __init__(self, told):
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, told.get(name))


class Context:
    """The second argument of a handler, as Lambda's Python runtime has it."""

    def __init__(self, meta, called, timeout_ms):
        name, version = meta["functionName"], meta["functionVersion"]
        self.function_name = name
        self.function_version = version
        self.memory_limit_in_mb = meta["memoryMb"]
        invocation_id, arn, client = (None, "", "") if called is None else (called.split("\n", 2) + ["", ""])[:3]
        self.invoked_function_arn = arn or f"arn:aws:lambda:strata:000000000000:function:{name}"
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = f"[{version}]"
        self.identity = None
        self.client_context = ClientContext(_decode(client)) if client else None
        if invocation_id is not None:
            self.aws_request_id = invocation_id
            self.invocation_id = invocation_id
            self._deadline = _monotonic() + timeout_ms / 1000

    def get_remaining_time_in_millis(self):
        deadline = getattr(self, "_deadline", None)
        return 0 if deadline is None else max(0, int((deadline - _monotonic()) * 1000))


class Shim:
    def __init__(self, connection, interpreter_modules):
        self._connection = connection
        console.on_line(self._send_line)
        self._interpreter_modules = interpreter_modules
        self._main_box = SimpleQueue()
        self._box = SimpleQueue()
        # Guards what follows: the reader gives work away, workers come back.
        self._lock = _thread.allocate_lock()
        self._state = "booted"
        self._waiting = []
        self._main_idle = True
        self._idle = 0
        self._without_thread = 0
        self._meta = None
        self._handler = None

    def run(self):
        """The main thread's life."""
        _thread.start_new_thread(self._read, ())
        self._load(self._main_box.get())
        while True:
            self._invoke(self._main_box.get(), True)

    def _send_line(self, call, level, time_ms, message):
        if not self._connection.may_send():
            return False
        payload, flags = (b"", frames.DROPPED) if message is None else (message.encode(), 0)
        number = _LEVELS[level]
        self._connection.send(
            frames.LOG,
            call.instance,
            call.nonce,
            frames.OF_CALL | flags,
            float(time_ms),
            float(number),
            0.0,
            b"",
            payload,
        )
        return True

    def _work(self):
        """The life of any other thread."""
        while True:
            self._invoke(self._box.get(), False)

    def _read(self):
        try:
            while (frame := self._connection.read()) is not None:
                if frame.type == frames.LOAD and self._state == "booted":
                    self._state = "loading"
                    self._main_idle = False
                    self._main_box.put(frame)
                elif frame.type == frames.INVOKE and self._state != "booted":
                    self._give(frame)
                else:
                    raise ValueError(f"a frame of type {frame.type} while {self._state}")
        except BaseException as error:  # noqa: BLE001
            console.write_out(console.ERR, f"the connection to the agent failed: {error}\n".encode())
        _exit(1)

    def _give(self, frame):
        with self._lock:
            if self._state == "loading":
                self._waiting.append(frame)
            elif self._state == "failed":
                pass  # Who waits for a load that failed is told by the server.
            elif self._main_idle:
                self._main_idle = False
                self._main_box.put(frame)
            else:
                if self._idle > 0:
                    self._idle -= 1
                else:
                    self._more_threads()
                self._box.put(frame)

    def _more_threads(self):
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:
            # No more threads are allowed: the next that comes free takes it.
            self._without_thread += 1

    def _come_back(self, main):
        """Called before the answer goes out, so that who waits for it finds this thread free again."""
        with self._lock:
            if self._without_thread > 0:
                self._without_thread -= 1
                if main:
                    self._main_box.put(self._box.get())
            elif main:
                self._main_idle = True
            else:
                self._idle += 1

    def _load(self, frame):
        started = _monotonic()
        meta = self._meta = json.loads(frame.meta)
        call = console.Call(frame.instance, frame.nonce, meta["logMaxBytes"])
        console.begin(call)
        console.enter(call)
        try:
            initializer, failed = self._find()
            loaded = _monotonic()
            if initializer is not None and failed is None:
                failed = self._initialize(initializer)
        finally:
            console.leave()
        times = {"b": _ms(loaded - started), "c": _ms(_monotonic() - loaded)}
        self._answer(call, frames.LOADED, failed, **times)
        with self._lock:
            self._state = "serving" if failed is None else "failed"
            self._main_idle = True
            waiting, self._waiting = self._waiting, []
        if failed is None:
            for other in waiting:
                self._give(other)

    def _find(self):
        """Makes the code's surroundings and finds the handler: the initializer or None, and what failed."""
        meta = self._meta
        path, entry = meta["codePath"], meta["initializerEntry"]
        try:
            function.enter_surroundings(meta, self._interpreter_modules)
            handler = function.find(path, meta["entry"])
            if isinstance(handler, str):
                return None, failures.failure("init_error", f"The handler was not found: {handler}.")
            self._handler = handler
            initializer = None if entry is None else function.find(path, entry)
            if isinstance(initializer, str):
                return None, failures.failure("init_error", f"The initializer was not found: {initializer}.")
            return initializer, None
        except BaseException as error:  # noqa: BLE001
            _leave_if_told(error)
            return None, failures.thrown("init_error", "Loading the code failed with", error)

    def _initialize(self, initializer):
        try:
            _wait_for(initializer(Context(self._meta, None, 0)))
            return None
        except BaseException as error:  # noqa: BLE001
            _leave_if_told(error)
            return failures.thrown("init_error", "The initializer failed with", error)

    def _invoke(self, frame, main):
        """Runs one invocation on this thread."""
        started = _monotonic()
        call = console.Call(frame.instance, frame.nonce, self._meta["logMaxBytes"])
        console.begin(call)
        console.enter(call)
        try:
            result, failed = self._call(frame)
        finally:
            console.leave()
        self._come_back(main)
        payload = b"" if result is None else result
        self._answer(call, frames.OUTCOME, failed, b=_ms(_monotonic() - started), c=-1.0, payload=payload)

    def _call(self, frame):
        """The bytes of the result, or what failed."""
        try:
            event = _decode(frame.payload.decode())
        except (ValueError, RecursionError) as error:
            detail = f"The event is not JSON: {failures.message_of(error)}"
            return None, failures.failure("invalid_request", detail)
        try:
            value = _wait_for(self._handler(event, Context(self._meta, frame.meta, frame.a)))
        except BaseException as error:  # noqa: BLE001
            _leave_if_told(error)
            return None, failures.thrown("function_error", "The handler failed with", error)
        return self._result_of(value)

    def _result_of(self, value):
        """The bytes of a result, or why it is none."""
        try:
            text = _encode(value)
            try:
                data = text.encode()
            except UnicodeEncodeError:
                # Half of a surrogate pair can only be told as an escape.
                text = _encode_ascii(value)
                data = text.encode()
        except BaseException as error:  # noqa: BLE001
            _leave_if_told(error)
            kind = failures.type_name(value)
            detail = f"The handler returned a value of type {kind} that is not JSON:"
            return None, failures.failure("result_invalid", f"{detail} {failures.message_of(error)}")
        most = self._meta["resultMaxBytes"]
        if len(text) > most:
            detail = f"The result has {len(text)} characters of JSON; the limit is {most}."
            return None, _too_large(detail, most, len(text))
        if len(data) > most:
            detail = f"The result has {len(data)} bytes; {most} are allowed."
            return None, _too_large(f"{detail} {TOO_LARGE_REMEDY}", most, len(data))
        return data, None

    def _answer(self, call, type_, failed, b, c, payload=b""):
        if not console.end(call):
            return
        flags, meta = 0, b""
        if failed is not None or call.truncated:
            tail = {"failure": failed, "logs": [], "logTruncated": call.truncated}
            flags = frames.HAS_TAIL | (frames.FAILED if failed is not None else 0)
            meta = _encode(tail).encode()
        self._connection.send(type_, call.instance, call.nonce, flags, 0.0, b, c, meta, payload)


def _too_large(detail, configured, observed):
    limit = {"kind": "resultBytes", "configured": configured, "observed": observed}
    return failures.failure("result_too_large", detail, None, limit)


def _wait_for(value):
    return _run_async(_awaited(value)) if _isawaitable(value) else value


async def _awaited(value):
    return await value


def _leave_if_told(error):
    """`sys.exit` ends the process, as it does in plain Python, also in a thread."""
    # By its class: `isinstance` would ask the exception for its `__class__`, which is code of the function's.
    if not issubclass(type(error), SystemExit):
        return
    code = error.code
    console.end_lines()
    if code is not None and not isinstance(code, int):
        console.write_out(console.ERR, f"{failures.plain(str(code))}\n".encode())
        code = 1
    _exit((code or 0) & 0xFF)


def _ms(seconds):
    return seconds * 1000


def warm_up():
    """In the zygote: goes through what a first invocation would find cold."""
    context = Context({"functionName": "", "functionVersion": "", "memoryMb": 1}, "", 1)
    context.get_remaining_time_in_millis()
    _encode(_decode('{"a":[1,2.5,"ü",null,true]}'))
    try:
        raise ValueError("warm-up")
    except ValueError as error:
        failures.thrown("function_error", "The handler failed with", error)


def run(interpreter_modules):
    """In the child. Never returns."""
    started = _monotonic()
    console.install()
    os.set_inheritable(AGENT_FD, False)
    connection = frames.Connection(AGENT_FD)
    serving = Shim(connection, interpreter_modules)
    # The folder of these files is the first on the path; the function's takes its place.
    sys.modules["__main__"] = types.ModuleType("__main__")
    for name in ("console", "failures", "frames", "function", "preload", "shim"):
        sys.modules.pop(name, None)
    connection.send(frames.BOOTED, 0, 0, a=_ms(_monotonic() - started))
    serving.run()
