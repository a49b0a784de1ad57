"""Make names legible in pages and pictures."""

import re

from PIL import ImageDraw, ImageFont

from embedtool.core.bidirectional import BIDIRECTIONAL

UNFIT = re.compile(f"[\ud800-\udfff{''.join(map(chr, BIDIRECTIONAL))}]")


def legible(text: str) -> str:
    """Return the text with U+FFFD for each byte that is not UTF-8, and bidirectional control
    characters as escapes."""
    return UNFIT.sub(lambda found: BIDIRECTIONAL.get(ord(found[0]), "\ufffd"), text)


def fitted(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    width: float,
) -> str:
    """Return legible text, cut with an ellipsis if it is wider than `width` pixels."""
    text = legible(text)
    while draw.textlength(text, font) > width:
        text = text[:-2] + "…"
    return text
