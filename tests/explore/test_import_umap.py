"""umap in the host process: no TensorFlow for a map, and nothing changed or kept from the host."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.maps import index_of_pictures

pytestmark = pytest.mark.slow

MAP = """
import sys, warnings
import numpy, scipy.special  # both add warnings filters of their own
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
import sys
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


def printed(program: str, *arguments: object) -> str:
    """Return the line that a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_map_loads_no_tensorflow_and_leaves_no_trace(tmp_path: Path) -> None:
    assert printed(MAP, index_of_pictures(tmp_path)) == "left out"


def test_nothing_changes_where_the_host_has_umap_already() -> None:
    assert printed(HOST_FIRST) == "unchanged"


def test_another_thread_gets_parametric_umap_meanwhile() -> None:
    assert printed(HOST_MEANWHILE) == "umap.parametric_umap"
