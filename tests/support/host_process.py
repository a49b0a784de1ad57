"""A process that has every library that embedtool uses, and then imports embedtool.

Run as a program it prints one JSON object: the modules imported, and for each what it changed in
the process. File descriptor 2 must be a file. Raises where embedtool has started TensorFlow.
"""

import ast
import contextlib
import faulthandler
import gc
import importlib
import importlib.util
import json
import locale
import logging
import os
import pkgutil
import random
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Any


def libraries(package: Path) -> list[str]:
    """Every module of another project that a file of a package names in an import."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = {*sys.stdlib_module_names, package.name}
    return sorted(name for name in found if name.split(".")[0] not in own)


def import_if_there(name: str) -> None:
    """Import a module, or what holds the attribute of this name, unless it is not installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module(name)


def state() -> dict[str, Any]:
    """What a module could change for the whole process by being imported."""
    import faiss
    import keras
    import numpy as np
    from PIL import Image, ImageFile
    from threadpoolctl import threadpool_info

    umask = os.umask(0)
    os.umask(umask)
    stderr = os.fstat(2)
    loggers = ("", "PIL", "tensorflow", "absl", "optuna", "embedtool")
    return {
        "Pillow's limit of pixels": Image.MAX_IMAGE_PIXELS,
        "Pillow and truncated files": ImageFile.LOAD_TRUNCATED_IMAGES,
        "warnings' filters": list(warnings.filters),
        "warnings' output": (warnings.showwarning, warnings.formatwarning),
        "file descriptor 2": (stderr.st_dev, stderr.st_ino),
        "what was written to file descriptor 2": stderr.st_size,
        "standard streams": (sys.stdin, sys.stdout, sys.stderr),
        "environment": dict(os.environ),
        "working directory and umask": (os.getcwd(), umask),
        "modules kept from being imported": [n for n, m in sys.modules.items() if m is None],
        "how modules are found": (list(sys.path), list(sys.meta_path), list(sys.path_hooks)),
        "signal handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "faulthandler": faulthandler.is_enabled(),
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook),
        "traces": (sys.gettrace(), sys.getprofile()),
        "interpreter's limits": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "garbage collection": (gc.isenabled(), gc.get_threshold()),
        "threads": threading.active_count(),
        "logging": [
            (name, logging.getLogger(name).level, list(logging.getLogger(name).handlers))
            for name in loggers
        ],
        "locale": locale.setlocale(locale.LC_ALL),
        "sockets": socket.getdefaulttimeout(),
        "random numbers": (random.getstate(), repr(np.random.get_state())),
        "numpy's errors and output": (np.geterr(), np.geterrcall(), np.get_printoptions()),
        "threads of libraries": [
            (pool["filepath"], pool["num_threads"]) for pool in threadpool_info()
        ],
        "threads of faiss": faiss.omp_get_max_threads(),
        "Keras' precision": keras.config.dtype_policy().name,
    }


def replaced(before: dict[str, Any]) -> list[str]:
    """The modules of other projects that are gone, or another object than they were."""
    return [
        name
        for name, module in before.items()
        if not name.startswith("embedtool") and sys.modules.get(name) is not module
    ]


def main() -> None:
    spec = importlib.util.find_spec("embedtool")
    assert spec and spec.origin
    package = Path(spec.origin).parent
    for name in libraries(package):
        import_if_there(name)
    before, modules = state(), dict(sys.modules)
    changed: dict[str, list[str]] = {}
    imported, absent = [], {}
    for found in pkgutil.walk_packages([str(package)], "embedtool."):
        if found.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            absent[found.name] = str(error.name)
            continue
        imported.append(found.name)
        after = state()
        changes = [what for what in before if before[what] != after[what]] + replaced(modules)
        if changes:
            changed[found.name] = changes
        before, modules = after, dict(sys.modules)
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(2)  # raises where it was started already
    print(json.dumps({"imported": imported, "absent": absent, "changed": changed}))


if __name__ == "__main__":
    main()
