"""Failures as the server takes them.

Owns how an exception is described: its own methods are called once each, inside try. Wording and bounds are
those of the other tier.
"""

import os
import traceback

TEXT_MAX_CHARS = 8_192
DETAIL_MAX_CHARS = 1_000
FRAMES_MAX = 50
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IMPORT_MACHINERY = "<frozen importlib."
_str, _type = str, type
_slice = str.__getitem__
_name_of = type.__dict__["__name__"].__get__
"""The name of a class, past what its metaclass may say."""


def failure(code, detail, error=None, limit=None):
    return {"code": code, "detail": cut(detail, DETAIL_MAX_CHARS), "error": error, "limit": limit}


def thrown(code, what, exception):
    """`what` ends where the exception's type follows."""
    error = describe(exception)
    return failure(code, f"{what} {error['type']}: {error['message']}", error)


def describe(exception):
    return {
        "type": cut(type_name(exception), TEXT_MAX_CHARS),
        "message": cut(message_of(exception), TEXT_MAX_CHARS),
        "stack": cut(stack_of(exception), TEXT_MAX_CHARS),
    }


def type_name(value):
    return plain(_name_of(_type(value)))


def message_of(exception):
    try:
        return beginning(_str(exception))
    except BaseException:  # noqa: BLE001
        return "its message could not be read"


def stack_of(exception):
    """The traceback without the frames of this shim and of the machinery that imports."""
    try:
        told = traceback.TracebackException(
            _type(exception), exception, exception.__traceback__, limit=-FRAMES_MAX, compact=True
        )
        _keep_own_frames(told, 0)
        return beginning("".join(told.format())).rstrip("\n")
    except BaseException:  # noqa: BLE001
        return ""


def _keep_own_frames(told, depth):
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if _is_own(frame.filename)])
    if depth < 10:
        for other in (told.__cause__, told.__context__):
            if other is not None:
                _keep_own_frames(other, depth + 1)


def _is_own(filename):
    return not filename.startswith((_OWN_FOLDER, _IMPORT_MACHINERY))


def brief(value):
    try:
        return cut(plain(repr(value)), 120)
    except BaseException:  # noqa: BLE001
        return f"an unreadable {type_name(value)}"


def beginning(text):
    """What is shown of a text at most, so that a long one is not copied as a whole."""
    return plain(_slice(text, slice(TEXT_MAX_CHARS + 1)))


def plain(text):
    """A str and nothing derived from it, that can be written as UTF-8."""
    return _str.encode(text, "utf-8", "replace").decode("utf-8")


def cut(text, most):
    return text if len(text) <= most else text[:most] + "…"
