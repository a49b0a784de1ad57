"""The command line as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path


class Result:
    def __init__(self, process: "subprocess.CompletedProcess[bytes]") -> None:
        self.code = process.returncode
        self.out = process.stdout.decode(errors="surrogateescape")
        self.err = process.stderr.decode(errors="surrogateescape")


def embedtool(
    *arguments: object, cwd: Path | None = None, stdin: bytes | None = None, **environment: str
) -> Result:
    """Run the command as a user does, in a process of its own."""
    return Result(
        subprocess.run(
            [sys.executable, "-m", "embedtool", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env=os.environ | environment,
            check=False,
        )
    )


def fails(code: int, text: str, *arguments: object, **environment: str) -> None:
    """Assert that a command exits with this code and says why in one line."""
    done = embedtool(*arguments, **environment)
    assert done.code == code, done.err
    assert text in done.err and "Traceback" not in done.err
    assert done.out == ""
    if code != 2:
        assert done.err.count("\n") == 1, "one line"
