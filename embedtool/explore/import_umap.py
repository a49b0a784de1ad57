"""Import umap without TensorFlow, and leave the host process as it was.

`import umap` also imports TensorFlow where it is installed, which takes seconds, for a class that
embedtool does not use. Where the host has imported umap already, nothing is blocked.

Otherwise one thing remains in the host process: `umap.ParametricUMAP` is the stand-in that umap
has on machines without TensorFlow. `from umap.parametric_umap import ParametricUMAP` gives the
class.
"""

import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType


def import_umap() -> ModuleType:
    """Return the module umap.umap_, importing it the first time."""
    if "umap" in sys.modules:
        return import_module("umap.umap_")
    finder = _NoParametricUmap()
    # Each time a new list: other threads may be iterating over the old one.
    sys.meta_path = [finder, *sys.meta_path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # of umap: no TensorFlow
            return import_module("umap.umap_")
    finally:
        sys.meta_path = [other for other in sys.meta_path if other is not finder]


class _NoParametricUmap(MetaPathFinder):
    """Keep umap.parametric_umap from the thread that made this, and from no other."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if fullname == "umap.parametric_umap" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not imported here", name=fullname)
