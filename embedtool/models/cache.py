"""The user cache folder: imported models, compiled models, TensorFlow Hub downloads."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return EMBEDTOOL_CACHE_DIR if it is set, else a folder in the platform's cache folder."""
    if chosen := os.environ.get("EMBEDTOOL_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "embedtool"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "embedtool" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embedtool"


def hub_folder() -> Path:
    """Return the download folder of tensorflow_hub: TFHUB_CACHE_DIR, else one in the user cache.

    The default of tensorflow_hub is a temporary folder, which the system may empty."""
    return Path(os.environ.get("TFHUB_CACHE_DIR") or cache_folder() / "tfhub")
