"""Write a map as a self-contained page with its own WebGL code, without libraries or network.

The page contains coordinates (float32), each folder once, names, groups, and thumbnails up to
THUMBNAIL_BYTES. If there are more, it has those of images that are spread evenly over the map.
"""

import base64
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.types import PathLike, Progress
from embedtool.explore.map_dates import dated, thumbnails_of
from embedtool.explore.results import Map
from embedtool.explore.thumbnails import Thumbnails
from embedtool.report.map_groups import default_colouring, map_groups, possible_colourings
from embedtool.report.page import render, write_page

THUMBNAIL_BYTES = 24_000_000  # some 18,000 thumbnails; 32 MB as base64


def write_map_page(
    image_map: Map,
    path: PathLike,
    *,
    colour_by: str | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Write a map as one HTML page, and return notes about it.

    Missing thumbnails are made first. Raises UsageError (unknown colour_by), IndexLocked if
    thumbnails must be made while another process writes to the index.
    """
    colouring = colour_by or default_colouring(image_map)
    map_groups(image_map, colouring)
    thumbnails = thumbnails_of(image_map, progress)
    page, notes = map_page(dated(image_map, thumbnails), thumbnails, colouring)
    write_page(path, page)
    return notes


def map_page(image_map: Map, thumbnails: Thumbnails, colouring: str) -> tuple[str, list[str]]:
    """Return the page, with its initial colouring, and notes about its thumbnails."""
    pictures, notes = _pictures(image_map, thumbnails)
    folders = sorted(set(image_map.folders))
    number = {folder: at for at, folder in enumerate(folders)}
    name = os.path.basename(os.path.abspath(image_map.index))
    content = {
        "title": f"Map of {name}",
        "n": len(image_map.paths),
        "xy": _base64(image_map.coordinates.astype("<f4")),
        "folders": folders,
        "folder_of": _base64(np.array([number[f] for f in image_map.folders], "<u4")),
        "names": "/".join(path.name for path in image_map.paths),
        "colourings": [
            _colouring(image_map, one)
            for one in sorted(possible_colourings(image_map), key=lambda one: one != colouring)
        ],
        "thumb_ends": _base64(np.cumsum([len(p) for p in pictures], dtype="<u4")),
        "thumbs": "".join(pictures),
        "notes": notes,
    }
    return render("map.html", title=content["title"], data=content), notes


def _colouring(image_map: Map, colouring: str) -> dict[str, Any]:
    groups = map_groups(image_map, colouring)
    likely = image_map.probabilities if colouring == "prediction" else None
    return {
        "name": colouring,
        "names": groups.names,
        "counts": groups.counts,
        "colours": groups.colours,
        "members": _base64(np.array(groups.members, "<u4")),
        "percents": None if likely is None else _base64((100 * likely).round().astype("u1")),
    }


def _pictures(image_map: Map, thumbnails: Thumbnails) -> tuple[list[str], list[str]]:
    """Return the thumbnail of each image in base64, "" if the page has none, and notes. Each is
    encoded separately, so that the browser decodes only those in view."""
    notes = []
    there = np.isin(image_map.vectors, thumbnails.ids)
    missing = int((~there).sum())
    if missing:
        notes.append(f"{missing:,} images could not be read and have no thumbnail")
    sizes = np.zeros(len(image_map.paths), np.int64)
    lengths = np.diff(np.concatenate([[0], thumbnails.ends]))
    sizes[there] = lengths[np.searchsorted(thumbnails.ids, image_map.vectors[there])]
    order = _spread(image_map.coordinates)
    order = order[there[order]]
    fits = order[np.cumsum(sizes[order]) <= THUMBNAIL_BYTES]
    if len(fits) < len(order):
        notes.append(
            f"the page has thumbnails of {len(fits):,} images, spread evenly over the map, of "
            f"{len(order):,} in all. A click on another image shows it from its file"
        )
    pictures = [""] * len(image_map.paths)
    for at in fits.tolist():
        picture = thumbnails.of(int(image_map.vectors[at])) or b""
        pictures[at] = base64.b64encode(picture).decode()
    return pictures, notes


def _spread(coordinates: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return all images (n,) in an order of which any first part is spread evenly over the map: one
    image from each cell of a coarse grid, then of finer grids."""
    low, high = coordinates.min(0), coordinates.max(0)
    unit = (coordinates - low) / np.maximum(high - low, 1e-9)
    level = np.full(len(unit), 99)
    for depth in range(11, -1, -1):  # the finest grid has 2,048 cells per side
        cells = (unit * 2**depth).astype(np.int64)
        _, first = np.unique(cells[:, 0] * 4096 + cells[:, 1], return_index=True)
        level[first] = depth
    return np.argsort(level, kind="stable")


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
