"""Process-wide settings, which embedtool changes only in its own processes.

Its own processes are the command line and the workers that it starts. Used as a library, embedtool
does not change the warnings, logging, environment or file descriptor 2 of the host process.
"""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_claimed = threading.Event()
_descriptor = threading.Lock()


def claim_process() -> None:
    """Mark this process as embedtool's own, and hide harmless messages of libraries."""
    _claimed.set()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd tags in an image
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # hides warnings about retracing
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # shows warnings, hides information


@contextmanager
def quiet_stderr() -> Iterator[bool]:
    """Discard what a library writes directly to file descriptor 2 while it loads.

    Yields whether output is discarded. In the process of a host program nothing is redirected,
    because other threads write there too.
    """
    if not _claimed.is_set():
        yield False
        return
    with _descriptor, open(os.devnull, "wb") as nowhere:
        terminal = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield True
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
