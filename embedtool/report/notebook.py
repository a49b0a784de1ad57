"""Pieces of HTML that a notebook shows under a cell."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedtool.explore.results import Map
from embedtool.report.map_png import draw_map
from embedtool.report.page import render

THUMBNAIL = 128  # pixels on the longer side
MAP_SIZE = 480  # pixels


def gallery(title: str, pictures: Sequence[tuple[Path, str]], count: int) -> str:
    """Return a title, the pictures (path, caption), and how many of `count` are not shown."""
    return render(
        "gallery.html",
        title=title,
        pictures=pictures,
        more=count - len(pictures),
        side=THUMBNAIL,
    )


def table(title: str, records: Sequence[dict[str, Any]]) -> str:
    """Return a title and a table with a row for each record."""
    return render(
        "table.html", title=title, columns=list(records[0]) if records else [], records=records
    )


def map_picture(title: str, image_map: Map) -> str:
    """Return a title and a picture of the map."""
    png = io.BytesIO()
    draw_map(image_map, size=MAP_SIZE).save(png, "PNG")
    address = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    return render("picture.html", title=title, address=address)
