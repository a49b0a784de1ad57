"""Importing embedtool, or any part of it, changes nothing in the process of its host."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
EXTRAS = {"h5py", "optuna", "pyarrow"}


@pytest.mark.slow
def test_no_module_changes_the_process_that_imports_it() -> None:
    with tempfile.TemporaryFile() as stderr:
        command = [sys.executable, "-m", "support.host_process"]
        done = subprocess.run(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=stderr)
        stderr.seek(0)
        assert done.returncode == 0, stderr.read().decode(errors="replace")
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["changed"] == {}
    assert set(found["absent"].values()) <= EXTRAS
    assert len(found["imported"]) > 100
