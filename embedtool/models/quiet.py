"""C++ libraries announce themselves on file descriptor 2, past Python's own stderr."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_descriptor = threading.Lock()


@contextmanager
def hushed() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere, for the moment of a load."""
    with _descriptor, open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
