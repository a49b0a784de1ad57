"""Standard error is redirected in a process of embedtool's own, and in no other."""

import subprocess
import sys

import pytest

WRITES = """
import logging, os, sys, warnings
from embedtool.core.own_process import claim_process, quiet_stderr

if sys.argv[1] == "own":
    claim_process()
with quiet_stderr() as quiet:
    os.write(2, b"greeting\\n")
os.write(2, b"after %d\\n" % quiet)
warnings.warn_explicit("odd tag", UserWarning, "TiffImagePlugin.py", 1, "PIL.TiffImagePlugin")
logging.getLogger("PIL.TiffImagePlugin").error("odd samples")
warnings.warn_explicit("ours", UserWarning, "x.py", 1, "embedtool.x")
"""


@pytest.mark.parametrize(
    ("process", "written"),
    [
        ("own", ["after 1", "x.py:1: UserWarning: ours"]),
        (
            "a host's",
            [
                "greeting",
                "after 0",
                "TiffImagePlugin.py:1: UserWarning: odd tag",
                "odd samples",
                "x.py:1: UserWarning: ours",
            ],
        ),
    ],
)
def test_libraries_are_quiet_only_in_an_own_process(process: str, written: list[str]) -> None:
    command = [sys.executable, "-c", WRITES, process]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr.splitlines() == written
