"""Import umap without TensorFlow, and leave the host process as it was.

If TensorFlow is installed, `import umap` also imports it, which takes seconds, for a class that
embedtool does not use. If the host has already imported umap, nothing is blocked.

Otherwise one change remains in the host process: `umap.ParametricUMAP` is the placeholder that umap
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
    """Return the module umap.umap_, and import it the first time."""
    if "umap" in sys.modules:
        return import_module("umap.umap_")
    finder = _NoParametricUmap()
    # Make a new list each time, since other threads may be iterating over the old one.
    sys.meta_path = [finder, *sys.meta_path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # umap: no TensorFlow
            return import_module("umap.umap_")
    finally:
        sys.meta_path = [other for other in sys.meta_path if other is not finder]


class _NoParametricUmap(MetaPathFinder):
    """A finder that hides umap.parametric_umap from the thread that made it, and from no other."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if fullname == "umap.parametric_umap" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not imported here", name=fullname)
