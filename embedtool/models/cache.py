"""The user cache folder: imported models, compiled models, TensorFlow Hub downloads."""

import os
import sys
from pathlib import Path


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
