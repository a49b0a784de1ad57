"""path -> class."""

import os
from pathlib import Path


def folder_label(root: bytes, path: bytes) -> bytes:
    """The name of the folder an image stands in."""
    return os.path.basename(os.path.dirname(os.path.join(root, path)))


def full_path(root: bytes, path: bytes) -> Path:
    return Path(os.fsdecode(os.path.join(root, path)))
