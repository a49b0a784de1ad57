"""path -> class."""

import os


def folder_label(root: bytes, path: bytes) -> bytes:
    """The name of the folder an image stands in."""
    return os.path.basename(os.path.dirname(os.path.join(root, path)))
