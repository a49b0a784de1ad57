"""The command line as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path


def embedtool(*arguments: object, cwd: Path | None = None, **environment: str) -> "Done":
    """Run the command as a user does, in a process of its own."""
    return Done(
        subprocess.run(
            [sys.executable, "-m", "embedtool", *map(str, arguments)],
            capture_output=True,
            cwd=cwd,
            env=os.environ | environment,
            check=False,
        )
    )


class Done:
    def __init__(self, process: "subprocess.CompletedProcess[bytes]") -> None:
        self.code = process.returncode
        self.out = process.stdout.decode(errors="surrogateescape")
        self.err = process.stderr.decode(errors="surrogateescape")
