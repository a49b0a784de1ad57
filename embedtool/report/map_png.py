"""Draw a map for print, on white: points, and a legend with counts."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike, Progress
from embedtool.errors import UsageError
from embedtool.explore.map_dates import dated, thumbnails_of
from embedtool.explore.results import Map
from embedtool.report.map_groups import NOISE_NAME, default_colouring, map_groups
from embedtool.report.palette import Groups, blend
from embedtool.report.text import fitted, legible

SIZE = 1200  # side of the square of points, in pixels
MIN_SIZE, MAX_SIZE = 200, 6000
SUPERSAMPLING = 3  # drawn this many times larger and then reduced, for smooth edges
MAX_NAMES = 28  # in the legend; of the rest, it shows the number
PALEST = 0.25  # share of its colour that a prediction of probability 0 has
INK, PALE = "#1a1a1a", "#666666"


def write_map_png(
    image_map: Map,
    path: PathLike,
    *,
    colour_by: str | None = None,
    size: int = SIZE,
    progress: Progress | None = None,
) -> None:
    """Write a map as a PNG, `size` pixels high, with a legend on the right.

    colour_by: "cluster", "label", "prediction", "folder" or "date" [default: prediction if the map
    has predictions, else cluster if it has clusters, else label]. Colours are those of
    embedtool.report.palette, paler for a less probable prediction. For "date", missing thumbnails
    are made first. Raises UsageError, and IndexLocked if thumbnails must be made while another
    process writes to the index.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"expected a size of {MIN_SIZE} to {MAX_SIZE} pixels, received {size}")
    picture = draw_map(image_map, colour_by=colour_by, size=size, progress=progress)
    with atomic_write(Path(path)) as file:
        picture.save(file, "PNG", optimize=True)


def draw_map(
    image_map: Map,
    *,
    colour_by: str | None = None,
    size: int = SIZE,
    progress: Progress | None = None,
) -> Image.Image:
    """Draw the picture of `write_map_png`."""
    colouring = colour_by or default_colouring(image_map)
    if colouring == "date":
        image_map = dated(image_map, thumbnails_of(image_map, progress))
    groups = map_groups(image_map, colouring)
    unit = size / 60
    margin, legend = round(2 * unit), round(18 * unit)
    picture = Image.new("RGB", (size + legend, size), "white")
    places = _pixel_places(image_map, size, margin, top=round(4 * unit))
    points = Image.new("RGB", (size * SUPERSAMPLING, size * SUPERSAMPLING), "white")
    pen = ImageDraw.Draw(points)
    # At this radius, 3,000 points can be distinguished, and 100,000 show where they are dense.
    radius = (
        SUPERSAMPLING * size / 60 * np.clip(9 / np.sqrt(max(len(image_map.paths), 1)), 0.04, 0.5)
    )
    shuffled = np.random.default_rng(0).permutation(len(places))  # so that no group hides another
    last = [n for n, name in enumerate(groups.names) if name == NOISE_NAME]
    order = sorted(shuffled.tolist(), key=lambda at: groups.members[at] not in last)
    for at in order:
        x, y = places[at] * SUPERSAMPLING
        colour = groups.colours[groups.members[at]]
        if colouring == "prediction" and image_map.probabilities is not None:
            colour = blend(colour, PALEST + (1 - PALEST) * float(image_map.probabilities[at]), 255)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    picture.paste(points.resize((size, size), Image.Resampling.BOX), (0, 0))
    _draw_legend(picture, image_map, groups, colouring, unit, size)
    return picture


def _pixel_places(image_map: Map, size: int, margin: int, top: int) -> npt.NDArray[np.float64]:
    """Return the positions (n, 2) of the points in the square, with equal axis scales, y up."""
    xy = image_map.coordinates.astype(np.float64)
    low, high = xy.min(0), xy.max(0)
    available = np.array([size - 2 * margin, size - margin - top])
    scale = (available / np.maximum(high - low, 1e-9)).min() if (high > low).any() else 0.0
    middle = np.array([size / 2, (size - margin + top) / 2])
    places: npt.NDArray[np.float64] = (xy - (low + high) / 2) * [scale, -scale] + middle
    return places


def _draw_legend(
    picture: Image.Image, image_map: Map, groups: Groups, colouring: str, unit: float, size: int
) -> None:
    pen = ImageDraw.Draw(picture)
    title, small = ImageFont.load_default(1.6 * unit), ImageFont.load_default(1.15 * unit)
    name = os.path.basename(os.path.abspath(image_map.index))
    pen.text(
        (2 * unit, 1.2 * unit), f"{legible(name)}, {len(image_map.paths):,} images", INK, title
    )
    pen.text((size + unit, 1.4 * unit), f"by {colouring}", PALE, small)
    line, right = 1.85 * unit, size + 17 * unit
    for row, (text, count, colour) in enumerate(
        zip(groups.names[:MAX_NAMES], groups.counts, groups.colours, strict=False)
    ):
        top = 4 * unit + row * line
        pen.ellipse((size + unit, top, size + 2.1 * unit, top + 1.1 * unit), fill=colour)
        total = f"{count:,}"
        text = fitted(text, pen, small, right - size - 3.6 * unit - pen.textlength(total, small))
        pen.text((size + 2.8 * unit, top - 0.15 * unit), text, INK, small)
        pen.text((right, top - 0.15 * unit), total, PALE, small, anchor="ra")
    left = len(groups.names) - MAX_NAMES
    if left > 0:
        pen.text(
            (size + 2.8 * unit, 4 * unit + MAX_NAMES * line), f"and {left:,} more", PALE, small
        )
