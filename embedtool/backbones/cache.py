"""The user cache folder: imported models, compiled models, TensorFlow Hub downloads."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedtool.files import sync_folder


def cache_folder() -> Path:
    """EMBEDTOOL_CACHE_DIR, else the platform's own place for caches."""
    if chosen := os.environ.get("EMBEDTOOL_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "embedtool"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "embedtool" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embedtool"


def hub_folder() -> Path:
    """Where tensorflow_hub keeps downloads: its own variable, else a place no cleaner empties."""
    return Path(os.environ.get("TFHUB_CACHE_DIR") or cache_folder() / "tfhub")


@contextmanager
def publish_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder; on leaving without an error it is on disk as `target`, whole.

    Where another process was first, its folder stays and ours is dropped: both hold the same.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name[:16]}-{uuid.uuid4().hex}"
    draft.mkdir()  # not mkdtemp: others may use the cache, as far as the umask lets them
    try:
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                with open(file, "rb") as opened:
                    os.fsync(opened.fileno())
        sync_folder(draft)
        if not target.exists():
            draft.rename(target)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
