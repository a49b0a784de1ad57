"""HTML fragments that a notebook shows under a cell, with the text colour of the notebook."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedtool.explore.results import Map
from embedtool.report.map_png import draw_map
from embedtool.report.page import page_thumbnail, render

THUMBNAIL = 128  # pixels on the longer side
MIN_HEIGHT = 96  # pixels: enough for the reason why a photo is missing
MAP_SIZE = 640  # pixels: the text of the legend is then 12 pixels high
MAP_DENSITY = 2  # drawn this many times larger, for dense screens


def gallery(title: str, pictures: Sequence[tuple[Path, str]], count: int) -> str:
    """Return a title, the pictures (path, caption), and how many of `count` are not shown."""
    shown = [(page_thumbnail(path, THUMBNAIL), caption) for path, caption in pictures]
    return render(
        "gallery.html",
        title=title,
        pictures=shown,
        more=count - len(shown),
        side=THUMBNAIL,
        height=max([MIN_HEIGHT, *(picture.height for picture, _ in shown)]),
    )


def table(title: str, records: Sequence[dict[str, Any]]) -> str:
    """Return a title and a table with a row for each record."""
    columns = list(records[0]) if records else []
    rows = [[_number(record[column]) for column in columns] for record in records]
    return render("table.html", title=title, columns=columns, rows=rows)


def _number(value: Any) -> str:
    """Return a cell as text: integers with separators, other numbers with three decimals."""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def map_picture(title: str, image_map: Map) -> str:
    """Return a title and a picture of the map with its legend."""
    picture = draw_map(image_map, size=MAP_SIZE * MAP_DENSITY)
    png = io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    width = picture.width // MAP_DENSITY
    return render("picture.html", title=title, address=address, width=width)
