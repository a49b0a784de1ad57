"""One open index in eight threads, beside a writer in another process, and closed while in use."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faults.readers import IMAGES, stored
from support.indexes import make_index

import embedtool
from embedtool.errors import UsageError
from embedtool.library.index import Index

THREADS = 8
VERSIONS = 30
QUERY = stored(0)[0]
WRITER = f"""
from pathlib import Path
from faults.readers import write
for version in range(2, {VERSIONS + 1}):
    write(Path("index"), version)
"""


def run_in_threads(work: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    return threads


def version_seen(index: Index) -> int:
    """The one version that a search and the list of images are of, each by itself."""
    similarities = np.zeros(IMAGES, np.float32)
    for match in index.search(QUERY, k=IMAGES):
        similarities[int(match.path.name)] = match.similarity
    [found] = [
        version
        for version in range(1, VERSIONS + 1)
        if np.allclose(stored(version) @ QUERY, similarities, atol=1e-5)
    ]
    [size] = {image.size for image in index.images}
    assert size >= found, "an older version came back"
    return found


@pytest.mark.slow
def test_each_search_is_of_one_version_while_another_process_writes(quick: Path) -> None:
    from faults.readers import write

    make_index(quick / "index")
    write(quick / "index", 1)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    seen: list[list[int]] = []
    with embedtool.open(quick / "index") as index:

        def search() -> None:
            own = [1]
            seen.append(own)
            while own[-1] < VERSIONS:
                own.append(version_seen(index))

        threads = run_in_threads(search)
        subprocess.run(
            [sys.executable, "-c", WRITER],
            cwd=quick,
            env=os.environ | {"PYTHONPATH": path},
            check=True,
        )
        for thread in threads:
            thread.join()
    assert len(seen) == THREADS
    for versions in seen:
        assert versions == sorted(versions) and versions[-1] == VERSIONS


def test_it_is_closed_while_threads_use_it(quick: Path) -> None:
    from faults.readers import write

    make_index(quick / "index")
    write(quick / "index", 1)
    index = embedtool.open(quick / "index")
    expected = [match.path for match in index.search(QUERY, k=IMAGES)]
    started = threading.Barrier(THREADS + 1)
    ends: list[object] = []

    def search() -> None:
        started.wait()
        try:
            while True:
                assert [match.path for match in index.search(QUERY, k=IMAGES)] == expected
        except BaseException as error:
            ends.append(error)

    threads = run_in_threads(search)
    started.wait()
    index.close()
    for thread in threads:
        thread.join()
    index.close()
    assert len(ends) == THREADS
    assert all(isinstance(e, UsageError) and "was closed. Open it again" in str(e) for e in ends)
    with pytest.raises(UsageError, match="was closed"):
        len(index.images)
