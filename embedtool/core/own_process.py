"""What embedtool changes for a whole process, and only where the process is its own.

A command and the workers that it starts are its own. Used as a library, embedtool leaves warnings,
logging, the environment and file descriptor 2 to its host.
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
    """Keep what libraries say of pictures and networks that they can use off the terminal."""
    _claimed.set()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd tags in a picture
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # of functions that are traced again
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings, no news


@contextmanager
def quiet_stderr() -> Iterator[bool]:
    """While a library loads, drop what it writes on file descriptor 2, past Python's own stderr.

    Yields whether it does so: in a host's process nothing is redirected, for other threads write
    there as well.
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
