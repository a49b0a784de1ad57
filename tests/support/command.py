"""The command line as a user runs it."""

import gc
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


class Result:
    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out.decode(errors="surrogateescape")
        self.err = err.decode(errors="surrogateescape")


def embedtool(
    *arguments: object, cwd: Path | None = None, stdin: bytes | None = None, **environment: str
) -> Result:
    """Run the command as a user does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "embedtool", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=os.environ | environment,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def embedtool_here(*arguments: object) -> Result:
    """Run the command in this process, for what takes seconds to load or compile: TensorFlow, UMAP.

    Warnings are treated as Python does by default, and the process is left as it was."""
    from embedtool.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
    collecting, code = gc.get_threshold(), 0
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.resetwarnings()
        for category in SILENT:
            warnings.simplefilter("ignore", category)
        patch.setattr("embedtool.cli.run.claim_process", lambda: None)
        patch.setattr(sys, "argv", ["embedtool", *map(str, arguments)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    gc.set_threshold(*collecting)
    for stream in (out, err):
        stream.flush()
    return Result(code, out.buffer.getvalue(), err.buffer.getvalue())


def fails(code: int, text: str, *arguments: object, **environment: Any) -> None:
    """Assert that a command exits with this code and says why in one line."""
    done = embedtool(*arguments, **environment)
    assert done.code == code, done.err
    assert text in done.err and "Traceback" not in done.err
    assert done.out == ""
    if code != 2:
        assert done.err.count("\n") == 1, "one line"
