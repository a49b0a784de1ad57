"""Names as a reader sees them, in pages and pictures."""

import re

from PIL import ImageDraw, ImageFont


def legible(text: str) -> str:
    """Each byte that is not UTF-8 as U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def fitted(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    width: float,
) -> str:
    """Legible text that is cut, with an ellipsis, where it is wider than so many pixels."""
    text = legible(text)
    while draw.textlength(text, font) > width:
        text = text[:-2] + "…"
    return text
