"""Indexes to map, and what a probe predicts for them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from support.indexes import make_index, run
from support.labelled import labelled_index
from support.pictures import encoded, picture

from embedtool import map_index, train_probe
from embedtool.explore.map import NEIGHBOURS
from embedtool.explore.map_file import SavedMap, save_map
from embedtool.explore.results import Map
from embedtool.store.writer import Writer


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


def save_random_map(index: Path) -> None:
    """Save a map on which images stand at random, for what only shows a map: UMAP, which takes ten
    seconds to compile, is left out."""
    with Writer(index) as writer:
        places = writer.places_after(0)
        rows = writer.rows_at(places)
        random, side = np.random.default_rng(0), math.ceil(math.sqrt(len(places)))
        squares = random.permutation(side**2)[: len(places)]
        grid = np.stack(np.divmod(squares, side), 1)  # none hides another
        coordinates = (grid + random.uniform(0, 0.4, grid.shape)).astype(np.float32)
        placed = np.zeros(len(places), np.bool_)
        saved = SavedMap(places["id"], coordinates, placed, rows.mean(0), NEIGHBOURS, 0)
        save_map(writer, saved)


def probed_index(folder: Path) -> tuple[Path, Path]:
    """An index of vectors of three classes, 60 of each, and a probe of them."""
    index = labelled_index(folder / "made", 180)
    train_probe(index, folder / "probe")
    return index, folder / "probe"


def predicted(index: Path, probe: Path) -> Map:
    """The map of an index with what a probe predicts for its images."""
    return map_index(index, probe=probe)
