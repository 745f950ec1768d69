"""A function's code: its surroundings in this process, its module, and the function that a name means.

Owns how the handler's file becomes a module: by the ordinary import system, with the code's folder first on the
path.
"""

import importlib
import importlib.util
import os
import sys
import time

import failures

BASE_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}
NAMES_SHOWN_MAX = 20
NAME_MAX_CHARS = 100


def enter_surroundings(meta, interpreter_modules):
    """Makes the process look as if Python had been started with the function's file."""
    path = meta["codePath"]
    os.chdir(path)
    wanted = {**BASE_ENVIRONMENT, "LAMBDA_TASK_ROOT": path, **meta["env"]}
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    time.tzset()
    sys.argv = [os.path.join(path, meta["entry"]["path"])]
    sys.path[0] = path
    _make_way(path, interpreter_modules)


def _make_way(path, interpreter_modules):
    """Forgets modules that the zygote has imported and that the function has a file of its own for."""
    for entry in os.scandir(path):
        name = entry.name.split(".", 1)[0]
        if name not in sys.modules or name in interpreter_modules or name in sys.builtin_module_names:
            continue
        if entry.name.endswith((".py", ".so")) or os.path.isfile(os.path.join(entry.path, "__init__.py")):
            for loaded in [known for known in sys.modules if known == name or known.startswith(name + ".")]:
                del sys.modules[loaded]


def find(code_path, entry):
    """The function that an entry means, or why there is none. Raises what the code raises."""
    path, name = entry["path"], entry["exportName"]
    module = _import(code_path, path)
    found = getattr(module, name, None)
    if callable(found):
        return found
    shown = failures.cut(name, NAME_MAX_CHARS)
    if found is not None:
        return f"{path} exports '{shown}', but it is not a function: {failures.brief(found)}"
    names = [known for known in vars(module) if not known.startswith("_")]
    listed = ", ".join(f"'{failures.cut(known, NAME_MAX_CHARS)}'" for known in names[:NAMES_SHOWN_MAX])
    if len(names) > NAMES_SHOWN_MAX:
        listed += f", and {len(names) - NAMES_SHOWN_MAX} more"
    return f"{path} has no export '{shown}': it exports {listed or 'nothing'}"


def _import(code_path, path):
    stem = path.removesuffix(".py")
    file = os.path.join(code_path, path)
    name = stem.replace("/", ".")
    if "." not in stem:
        module = importlib.import_module(name)
        if getattr(module, "__file__", None) == file:
            return module
    # The name is one that no import leads to this file with.
    spec = importlib.util.spec_from_file_location(stem.rsplit("/", 1)[-1], file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
