"""The exceptions of embedtool, as a tree.

EmbedtoolError                      exit 1
├── UsageError                      exit 2   an argument is not valid
├── PhotosMissing                            a photo folder is missing, empty or unreadable
├── TooManyRejects                           more files were rejected than the caller allows
├── ImageRejected                            one image cannot be used; it names the stage
├── NotAnIndex                               the folder holds no index
├── DerivedDamaged                           a file computed from the vectors fails its checksum
├── IndexDamaged                    exit 3   a file of the index fails its checksum
├── IndexTooNew                     exit 3   the index was written by a later version
├── IndexLocked                     exit 4   another process is writing to the index
├── ModelMismatch                   exit 5   vectors of two models would be mixed
└── ModelUnavailable                         the model is missing, damaged or not suitable
    └── ModelOffline                         the model is not cached and cannot be downloaded
"""

from collections.abc import Sequence
from typing import Any


class EmbedtoolError(Exception):
    """Base class. The message says what was expected, what was received and what to do next.

    exit_code: the exit code of the command line.

    >>> try:
    ...     embedtool.open("photos")
    ... except embedtool.EmbedtoolError as error:
    ...     print(type(error).__name__, error.exit_code)
    NotAnIndex 1
    """

    exit_code = 1


class UsageError(EmbedtoolError):
    exit_code = 2


class PhotosMissing(EmbedtoolError):
    pass


class TooManyRejects(EmbedtoolError):
    """Too many files were rejected. `rejects` lists them; it is empty after `embedtool index`,
    which stores them in the index."""

    def __init__(self, message: str, rejects: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.rejects = tuple(rejects)


class ImageRejected(EmbedtoolError):
    """One image cannot be used. `stage` is the step that failed: "read", "decode" or "embed"."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason


class NotAnIndex(EmbedtoolError):
    pass


class DerivedDamaged(EmbedtoolError):
    pass


class IndexDamaged(EmbedtoolError):
    exit_code = 3


class IndexTooNew(EmbedtoolError):
    exit_code = 3


class IndexLocked(EmbedtoolError):
    exit_code = 4


class ModelMismatch(EmbedtoolError):
    exit_code = 5


class ModelUnavailable(EmbedtoolError):
    pass


class ModelOffline(ModelUnavailable):
    pass
