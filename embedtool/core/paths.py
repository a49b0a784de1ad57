"""The path of an image, and its label: the name of its folder."""

import os
from pathlib import Path


def folder_label(root: bytes, path: bytes) -> bytes:
    """Return the name of the folder that contains an image."""
    return os.path.basename(os.path.dirname(os.path.join(root, path)))


def full_path(root: bytes, path: bytes) -> Path:
    return Path(os.fsdecode(os.path.join(root, path)))
