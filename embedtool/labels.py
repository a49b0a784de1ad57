"""path -> class."""

import os


def folder_label(root: bytes, path: bytes) -> str:
    """The name of the folder an image stands in."""
    return os.fsdecode(os.path.basename(os.path.dirname(os.path.join(root, path))))
