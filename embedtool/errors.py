"""Everything that can go wrong, as one tree.

EmbedtoolError                      exit 1
├── UsageError                      exit 2   an argument that cannot be meant
├── PhotosMissing                            a photo folder is missing, empty or unreadable
├── TooManyRejects                           more rejects than the caller allows
├── ImageRejected                            one image cannot be used; carries its stage
├── NotAnIndex                               the folder holds no index
├── DerivedDamaged                           a derived file differs from what was published
├── IndexDamaged                    exit 3   bytes differ from what was committed
├── IndexTooNew                     exit 3   written by a later version
├── IndexLocked                     exit 4   another process is writing
├── ModelMismatch                   exit 5   vectors of two models would be mixed
└── ModelUnavailable                         no cache and no network holds the model
    └── ModelOffline                         nothing is wrong with it, it just cannot be reached
"""

from collections.abc import Sequence
from typing import Any


class EmbedtoolError(Exception):
    """Root of the tree. The message says what was expected, what came, and what to type next."""

    exit_code = 1


class UsageError(EmbedtoolError):
    exit_code = 2


class PhotosMissing(EmbedtoolError):
    pass


class TooManyRejects(EmbedtoolError):
    """`rejects` has the Reject of each file, where the function that raises returns no result."""

    def __init__(self, message: str, rejects: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.rejects = tuple(rejects)


class ImageRejected(EmbedtoolError):
    """One image cannot be used. `stage` is where it fell: "read", "decode" or "embed"."""

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
