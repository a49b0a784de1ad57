"""A map as one self-contained page: our own WebGL, no library and no network.

The page holds coordinates (float32), folders once and names, groups, and thumbnails up to
THUMBNAIL_BYTES; where there are more, it holds those of images evenly spread over the map.
"""

import base64
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike, Progress
from embedtool.explore.map_dates import dated, thumbnails_of
from embedtool.explore.map_file import Map
from embedtool.explore.thumbnails import Thumbnails
from embedtool.report.map_groups import default_way, map_groups, ways_of
from embedtool.report.page import shown

THUMBNAIL_BYTES = 24_000_000  # some 18,000 pictures; 32 MB as base64
ASSETS = files("embedtool.report") / "map"
SCRIPTS = ("data.js", "drawing.js", "answers.js")  # in this order


def write_map_page(
    found: Map,
    path: PathLike,
    *,
    colour_by: str | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Write a map as one HTML page, and return what there is to note about it.

    Thumbnails that the index lacks are made first. Raises UsageError (no such colour_by),
    IndexLocked where some must be made while another process writes to the index.
    """
    first = colour_by or default_way(found)
    map_groups(found, first)
    thumbnails = thumbnails_of(found, progress)
    page, notes = map_page(dated(found, thumbnails), thumbnails, first)
    with atomic_write(Path(path)) as file:
        file.write(page.encode())
    return notes


def map_page(found: Map, thumbnails: Thumbnails, first: str) -> tuple[str, list[str]]:
    """The page, and what there is to note about its pictures. first: the way it is coloured."""
    pictures, notes = _pictures(found, thumbnails)
    folders = sorted(set(found.folders))
    number = {folder: at for at, folder in enumerate(folders)}
    name = os.path.basename(os.path.abspath(found.index))
    content = {
        "title": f"Map of {name}",
        "n": len(found.paths),
        "xy": _base64(found.coordinates.astype("<f4")),
        "folders": folders,
        "folder_of": _base64(np.array([number[f] for f in found.folders], "<u4")),
        "names": "/".join(path.name for path in found.paths),
        "ways": [_way(found, way) for way in sorted(ways_of(found), key=lambda way: way != first)],
        "thumb_ends": _base64(np.cumsum([len(p) for p in pictures], dtype="<u4")),
        "thumbs": "".join(pictures),
        "notes": notes,
    }
    text = json.dumps(content).replace("<", "\\u003c")  # no name ends the script it stands in
    css, html, *js = (
        ASSETS.joinpath(name).read_text("utf-8") for name in ("map.css", "map.html", *SCRIPTS)
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Map of {shown(name)}</title><style>{css}</style></head>\n<body>\n{html}"
        f'<script type="application/json" id="data">{text}</script>\n'
        f"<script>\n{''.join(js)}</script></body></html>\n"
    )
    return page, notes


def _way(found: Map, way: str) -> dict[str, Any]:
    groups = map_groups(found, way)
    sure = found.probabilities if way == "prediction" else None
    return {
        "name": way,
        "names": groups.names,
        "counts": groups.counts,
        "colours": groups.colours,
        "members": _base64(np.array(groups.members, "<u4")),
        "percents": None if sure is None else _base64((100 * sure).round().astype("u1")),
    }


def _pictures(found: Map, thumbnails: Thumbnails) -> tuple[list[str], list[str]]:
    """The thumbnail of each image in base64, "" where the page has none; and what there is to note.
    Each is encoded by itself: the browser decodes those that are looked at."""
    notes = []
    there = np.isin(found.vectors, thumbnails.ids)
    missing = int((~there).sum())
    if missing:
        notes.append(f"{missing:,} images cannot be read now and have no thumbnail")
    sizes = np.zeros(len(found.paths), np.int64)
    lengths = np.diff(np.concatenate([[0], thumbnails.ends]))
    sizes[there] = lengths[np.searchsorted(thumbnails.ids, found.vectors[there])]
    order = _spread(found.coordinates)
    order = order[there[order]]
    fits = order[np.cumsum(sizes[order]) <= THUMBNAIL_BYTES]
    if len(fits) < len(order):
        notes.append(
            f"the page holds thumbnails of {len(fits):,} images, evenly over the map, of "
            f"{len(order):,}; a click shows the others from their files"
        )
    pictures = [""] * len(found.paths)
    for at in fits.tolist():
        picture = thumbnails.of(int(found.vectors[at])) or b""
        pictures[at] = base64.b64encode(picture).decode()
    return pictures, notes


def _spread(coordinates: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """All images (n,), in an order whose every beginning is spread evenly over the map: one of each
    cell of a coarse grid, then of finer ones."""
    low, high = coordinates.min(0), coordinates.max(0)
    unit = (coordinates - low) / np.maximum(high - low, 1e-9)
    level = np.full(len(unit), 99)
    for depth in range(11, -1, -1):  # 2,048 cells along a side at the finest
        cells = (unit * 2**depth).astype(np.int64)
        _, first = np.unique(cells[:, 0] * 4096 + cells[:, 1], return_index=True)
        level[first] = depth
    return np.argsort(level, kind="stable")


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
