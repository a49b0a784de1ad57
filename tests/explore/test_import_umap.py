"""umap in the host process: no TensorFlow for a map, and nothing changed or kept from the host."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.maps import index_of_pictures

pytestmark = pytest.mark.slow

MAP = """
import warnings
filters, finders = warnings.filters[:], sys.meta_path[:]
from embedtool import map_index
assert "umap" not in sys.modules
map_index(sys.argv[1])
assert "umap" in sys.modules and not {"tensorflow", "umap.parametric_umap"} & sys.modules.keys()
assert None not in sys.modules.values()
assert warnings.filters == filters and sys.meta_path == finders
import umap
try:
    umap.ParametricUMAP()
except ImportError:
    print("left out")
"""

HOST_FIRST = """
import umap
before = {name: id(module) for name, module in sys.modules.items() if name.startswith("umap")}
own = umap.ParametricUMAP
from embedtool.explore.import_umap import import_umap
assert import_umap() is umap.umap_ and umap.ParametricUMAP is own
after = {name: id(module) for name, module in sys.modules.items() if name.startswith("umap")}
assert after == before and "umap.parametric_umap" in after
print("unchanged")
"""

HOST_MEANWHILE = """
import threading
from embedtool.explore.import_umap import import_umap
found = []
def host():
    from umap.parametric_umap import ParametricUMAP
    found.append(ParametricUMAP.__module__)
thread = threading.Thread(target=host)
thread.start()
import_umap()
thread.join()
print(*found)
"""

# What umap loads itself is loaded once; then each program runs in a child that has no umap yet.
HOST = f"""
import os, sys
import numpy, scipy.special, sklearn.neighbors, numba, pynndescent
def child(program):
    sys.stdout.flush()
    number = os.fork()
    if not number:
        exec(program, {{"sys": sys}})
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
child({MAP!r})
import tensorflow
child({HOST_FIRST!r})
child({HOST_MEANWHILE!r})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_nothing_changes_for_the_host_but_that_a_map_loads_no_tensorflow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOST, index_of_pictures(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["left out", "unchanged", "umap.parametric_umap"]
