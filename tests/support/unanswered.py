"""A file that nobody can open, as on a network mount whose server is gone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEASE = """
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()
"""


@contextmanager
def unanswered(path: Path) -> Iterator[None]:
    """Make whoever opens a file wait: another process has a lease on it and does not answer."""
    command = [sys.executable, "-c", LEASE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"leased\n"
        yield
        holder.kill()
