"""One writer, four readers: every read is one whole version. A second writer is sent away.

`pytest tests/store/test_concurrent.py --minutes 1 -s` is the long mode.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import embedtool
from support.indexes import make_index

from embedtool.store.writer import Writer

VERSIONS = 40  # in every run of the tests


@pytest.mark.slow
def test_four_readers_see_whole_versions_while_one_writes_and_compacts(
    quick: Path, pytestconfig: pytest.Config
) -> None:
    seconds = 60 * (pytestconfig.getoption("minutes") or 0)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "faults.readers", quick / "index", str(VERSIONS), str(seconds)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    report = json.loads(done.stdout)
    print(report)
    assert report["versions"] >= VERSIONS
    for reads in report["reads"]:
        assert reads.isdigit() and int(reads) > 0, reads


@pytest.mark.parametrize("command", [["index", "photos", "--index"], ["compact"]])
def test_a_second_writer_gets_exit_code_4(tmp_path: Path, command: list[str]) -> None:
    make_index(tmp_path / "made")
    (tmp_path / "photos").mkdir()
    with Writer(tmp_path / "made"):
        done = embedtool(*command, "made", cwd=tmp_path)
    assert done.code == 4, done.err
    assert "another embedtool process is writing to made" in done.err
