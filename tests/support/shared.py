"""Where the real photos and weights are, which a machine may lack."""

import shutil
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"


def link_files(source: Path, target: Path) -> None:
    """Make a folder of links to what a folder holds, empty where that one is missing."""
    target.mkdir(parents=True)
    for path in source.iterdir() if source.is_dir() else ():
        (target / path.name).symlink_to(path)


def copy_first_photos(labelled: Path, target: Path, each: int) -> Path:
    """Copy the first photos of each class, in the order of their names."""
    for folder in sorted(labelled.iterdir()):
        (target / folder.name).mkdir(parents=True)
        for photo in sorted(folder.iterdir())[:each]:
            shutil.copy(photo, target / folder.name)
    return target
