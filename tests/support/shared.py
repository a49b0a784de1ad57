"""Where the real photos and weights are, which a machine may lack."""

from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"


def link_files(source: Path, target: Path) -> None:
    """Make a folder of links to what a folder holds, empty where that one is missing."""
    target.mkdir(parents=True)
    for path in source.iterdir() if source.is_dir() else ():
        (target / path.name).symlink_to(path)
