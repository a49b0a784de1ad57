"""kill -9: nothing committed is lost, and a re-run ends where one run would.

`pytest tests/store/test_kill.py --kills 10000 -s` is the long mode.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.campaign import kill
from faults.driver import Driver
from faults.scenarios import SCENARIOS
from support.command import embedtool
from support.indexes import content as stored_vectors

from embedtool.store.reader import IndexReader

pytestmark = pytest.mark.slow

KILLS = 60  # of forked children, in every run of the tests
WHOLE_KILLS = 3  # of the whole command
Content = tuple[list[tuple[object, ...]], dict[str, bytes]]


def content(index: Path) -> Content:
    """Catalogue rows in order, and the stored vector of every path."""
    with IndexReader(index) as opened, opened.snapshot():
        rows: list[tuple[object, ...]] = [
            (r.id, r.root, r.path, r.size, r.mtime_ns, r.digest) for r in opened.rows()
        ]
        rows += [(x.path, x.stage, x.reason) for x in opened.reject_rows()]
    return rows, stored_vectors(index)


def index_killed_at(photos: Path, index: Path, moment: float) -> bool:
    """Start an indexing run and kill it after `moment` seconds; whether it was still running."""
    code = (
        "from embedtool.collection import sync; sync.COMMIT_SECONDS = 0; sync.COMMIT_ROWS = 7\n"
        "from embedtool.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "index", photos, "--index", index, "--model", "builtin"]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_kills_at_every_step_and_at_random_times(
    driver: Driver, quick: Path, pytestconfig: pytest.Config
) -> None:
    scenarios = [SCENARIOS[name](driver, quick / name) for name in SCENARIOS]
    count = pytestconfig.getoption("kills") or KILLS
    tally = kill(scenarios, count)
    print(tally)
    assert tally.wrong == []
    assert tally.total == count


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from embedtool.images.drawn import draw_photos

    folder = tmp_path_factory.mktemp("many") / "photos"
    draw_photos(folder, per_kind=10)
    return folder


def test_the_whole_command_is_killed(many: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    start = time.monotonic()
    assert not index_killed_at(many, whole, 300)
    length = time.monotonic() - start
    expected = content(whole)
    dice = random.Random(0)
    killed = started = 0
    index = tmp_path / "index 0"
    seen: dict[str, bytes] = {}
    while killed < WHOLE_KILLS:
        if not index_killed_at(many, index, dice.uniform(0.2, 0.9) * length):
            # It finished between the kills; it must be what one run makes, and we start anew.
            assert content(index) == expected
            started += 1
            index, seen = tmp_path / f"index {started}", {}
            continue
        killed += 1
        if (index / "catalog.sqlite").exists():
            _, vectors = content(index)
            assert seen.items() <= vectors.items(), "a committed row was lost or changed"
            assert vectors.items() <= expected[1].items(), "a row that no whole run makes"
            seen = vectors
    done = embedtool("index", many, "--index", index, "--model", "builtin", "--json")
    assert done.code == 0, done.err
    assert content(index) == expected
