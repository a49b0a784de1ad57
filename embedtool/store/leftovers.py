"""Files that a killed writer left in an index folder. Only the next writer removes them."""

import re
from collections.abc import Container
from pathlib import Path

from embedtool.core.drafts import DRAFT
from embedtool.store.layout import DECODING_RECORD

# Files of an index whose creation was killed, or whose catalogue was deleted.
LEFTOVERS = re.compile(
    rf"\..*|catalog\..*|vectors|derived|writer\.lock|{DECODING_RECORD}|"
    rf"derived/({DRAFT.pattern}|[a-z]+(-[0-9a-f]{{16}})?\.(json|faiss|npz|bin)(\.new)?)",
    re.DOTALL,
)
STRAYS = {  # folder -> names of unfinished files; those of embedtool 0.1 end in .new
    "": r"\.catalog\.(sqlite|sha256)-[0-9a-f]{32}|catalog\.(sqlite|sha256)\.new(-journal)?",
    "vectors": rf"{DRAFT.pattern}|\d{{6,}}\.npy(\.new)?",
    "derived": rf"{DRAFT.pattern}|\w+\.(json|faiss|npz|bin)\.new",
}


def foreign_files(path: Path) -> list[Path]:
    """Return the files in a folder that do not belong to an index without a catalogue."""
    inside = [file for name in ("", "vectors", "derived") for file in (path / name).glob("*")]
    return [file for file in inside if not LEFTOVERS.fullmatch(str(file.relative_to(path)))]


def remove_stray_files(index: Path, segments: Container[str]) -> None:
    """Remove unfinished files, and vector files that are not among `segments`, by name."""
    for folder, names in STRAYS.items():
        for file in (index / folder).glob("*"):
            is_stray = re.fullmatch(names, file.name) and file.name not in segments
            if is_stray and (file.is_symlink() or file.is_file()):
                file.unlink()
