"""Fill the templates of pages. Each page is one HTML file that loads nothing from elsewhere."""

import base64
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.images.decode import image_size, thumbnail
from embedtool.images.read_file import read_source, source_of
from embedtool.report.text import legible


@dataclass(frozen=True)
class Thumbnail:
    """A photo as a small inline JPEG of width x height pixels, or the reason why it is missing."""

    path: Path
    address: str = ""
    width: int = 0
    height: int = 0
    file_size: int = 0  # bytes of the photo
    missing: str = ""


def write_page(path: PathLike, page: str) -> None:
    with atomic_write(Path(path)) as file:
        file.write(page.encode())


def render(template: str, **context: Any) -> str:
    """Fill a template. Every value is escaped, and bytes that are not UTF-8 become U+FFFD."""
    page = _environment().get_template(template).render(context)
    return legible(page)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("embedtool.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": _asset, "thumbnail": page_thumbnail}
    environment.filters |= {
        "file_url": _file_url,
        "number": _number,
        "script_source": _script_source,
    }
    return environment


def _asset(name: str) -> Markup:
    """Return a style sheet or a script, to be included in the page unchanged."""
    return Markup(_environment().loader.get_source(_environment(), name)[0])  # type: ignore[union-attr]


def page_thumbnail(path: Path, side: int) -> Thumbnail:
    """Return a photo as a JPEG that is at most `side` pixels long, or why there is none."""
    try:
        _, data = read_source(source_of(path))
        small = thumbnail(data, side)
    except ImageRejected as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Thumbnail(path, missing="the file is gone")
        problem = "not readable" if error.stage == "read" else "not an image"
        return Thumbnail(path, missing=f"{problem}: {error.reason}")
    address = "data:image/jpeg;base64," + base64.b64encode(small).decode()
    return Thumbnail(path, address, *image_size(small), len(data))


def _file_url(path: Path) -> str:
    return "file://" + quote(os.fsencode(os.path.abspath(path)))


def _script_source(script: str) -> Markup:
    """Return the part of a Content-Security-Policy that allows this script, and no other."""
    if not script:
        return Markup()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup("; script-src 'sha256-{}'").format(digest)


def _number(value: float, form: str = ",") -> str:
    return format(value, form)
