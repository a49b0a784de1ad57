"""What every page of ours has: it is one file, and shows paths and small pictures."""

import base64
import html
import os
from pathlib import Path
from urllib.parse import quote

from embedtool.images.decode import thumbnail


def document(title: str, style: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title><style>{style}</style></head>\n"
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def shown(path: Path | str) -> str:
    """A path as text of a page; bytes that are no UTF-8 become U+FFFD."""
    return html.escape(os.fsencode(path).decode("utf-8", "replace"))


def link(path: Path) -> str:
    return "file://" + quote(os.fsencode(os.path.abspath(path)))


def picture(data: bytes, side: int) -> str:
    """The address of a thumbnail that stands in the page. Raises ImageRejected."""
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail(data, side)).decode()
