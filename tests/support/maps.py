"""Indexes to map, and what a probe predicts for them."""

from collections.abc import Sequence
from pathlib import Path

from support.indexes import make_index, run
from support.labelled import labelled_index
from support.pictures import encoded, picture

from embedtool import map_index, train_probe
from embedtool.explore.results import Map


def add_pictures(folder: Path, seeds: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))


def index_of_pictures(folder: Path) -> Path:
    """Forty pictures in folder/photos/a, and an index of their mean colours."""
    add_pictures(folder / "photos" / "a", range(40))
    make_index(folder / "index")
    run(folder / "index", folder / "photos")
    return folder / "index"


def probed_index(folder: Path) -> tuple[Path, Path]:
    """An index of vectors of three classes, 60 of each, and a probe of them."""
    index = labelled_index(folder / "made", 180)
    train_probe(index, folder / "probe")
    return index, folder / "probe"


def predicted(index: Path, probe: Path) -> Map:
    """The map of an index with what a probe predicts for its images."""
    return map_index(index, probe=probe)
