"""Drawings of scores as SVG that stands in a page, in the colours that the page's style gives."""

import html
from collections.abc import Mapping, Sequence

from embedtool.classification.metrics import Estimate, ReliabilityBin

# Blue and orange are told apart by every common kind of colour blindness.
STYLE = """
:root { --right: light-dark(#2166ac, #6aaee6); --wrong: light-dark(#d95f02, #ff9d4d) }
svg { display: block; max-width: 100%; height: auto; overflow: visible;
  font: 11px system-ui, sans-serif }
svg text { fill: currentColor } svg .faint { opacity: .6 }
svg .grid { stroke: currentColor; opacity: .15 } svg .axis { stroke: currentColor; opacity: .5 }
svg .right { fill: var(--right) } svg .wrong { fill: var(--wrong) }
svg .line { fill: none; stroke: var(--right) }
svg .other { stroke: var(--wrong) }
svg .field { fill: currentColor; opacity: .05 }
"""
WIDE = 620  # pixels that a confusion matrix takes, or as many as CELL times its classes
CELL = 5  # pixels of a class at least: 200 of them are 1,000 wide
NUMBERED = 24  # classes up to which a cell shows its count
NAMED = 60  # and up to which each row and column shows its name


def confusion_matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Rows are true classes, columns predicted ones; a cell is as dark as its share of its row.

    Only cells that hold an image are drawn. Each tells its classes and count under the pointer.
    """
    c = len(classes)
    cell = max(CELL, WIDE // c) if c > NUMBERED else max(26, min(52, WIDE // c))
    longest = max(map(len, classes)) if c <= NAMED else 0
    letter = min(11, cell + 1)
    margin = min(7 * longest, 170) + 26
    side = c * cell
    parts = [f'<rect class="field" x="{margin}" y="{margin}" width="{side}" height="{side}"/>']
    for i, row in enumerate(matrix):
        total = sum(row)
        for j, count in enumerate(row):
            if not count:
                continue
            share = count / total
            kind = "right" if i == j else "wrong"
            x, y = margin + j * cell, margin + i * cell
            said = f"{html.escape(classes[i])} taken for {html.escape(classes[j])}"
            said = html.escape(classes[i]) if i == j else said
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{y}" width="{cell}" height="{cell}" '
                f'fill-opacity="{0.12 + 0.88 * share**0.6:.2f}">'
                f"<title>{said}: {count} of {total} ({share:.0%})</title></rect>"
            )
            if c <= NUMBERED:
                over = ' style="fill:light-dark(#fff,#000)"' if share > 0.45 else ""
                parts.append(
                    f'<text x="{x + cell / 2}" y="{y + cell / 2 + 4}" text-anchor="middle" '
                    f'pointer-events="none"{over}>{count}</text>'
                )
    if c <= NAMED:
        for i, name in enumerate(classes):
            at = margin + (i + 0.5) * cell
            short = html.escape(name if len(name) <= 24 else name[:23] + "…")
            parts.append(
                f'<text font-size="{letter}" x="{margin - 6}" y="{at + letter / 3}" '
                f'text-anchor="end">{short}</text>'
                f'<text font-size="{letter}" transform="translate({at + letter / 3} {margin - 6}) '
                f'rotate(-90)">{short}</text>'
            )
    parts.append(
        f'<text class="faint" x="{margin + side / 2}" y="10" text-anchor="middle">predicted</text>'
        f'<text class="faint" transform="translate(10 {margin + side / 2}) rotate(-90)" '
        'text-anchor="middle">true</text>'
    )
    return svg(margin + side + 4, margin + side + 4, parts, "confusion matrix")


def interval(score: Estimate) -> str:
    """The score as a point on [0, 1], its interval as a line."""
    x = [4 + 192 * value for value in (score.low, score.value, score.high)]
    return svg(
        200,
        16,
        [
            '<line class="grid" x1="4" x2="196" y1="8" y2="8"/>',
            f'<line class="line" stroke-opacity=".6" stroke-width="4" x1="{x[0]:.1f}" '
            f'x2="{max(x[2], x[0] + 1):.1f}" y1="8" y2="8"/>',
            f'<circle class="right" cx="{x[1]:.1f}" cy="8" r="3.5"/>',
        ],
        "interval",
    )


def reliability(bins: Sequence[ReliabilityBin]) -> str:
    """Accuracy by confidence beside the diagonal, where both agree; below it the images."""
    left, top, side, below = 44, 10, 320, 60
    parts = grid(left, top, side, side)
    parts.append(
        f'<line class="axis" stroke-dasharray="4" x1="{left}" y1="{top + side}" '
        f'x2="{left + side}" y2="{top}"/>'
    )
    most = max(one.n for one in bins)
    for one in bins:
        if not one.n:
            continue
        x, width = left + one.low * side, (one.high - one.low) * side - 1
        said = (
            f"<title>{one.n} images of confidence {one.confidence:.2f}: {one.accuracy:.2f} right"
            "</title>"
        )
        parts.append(
            f'<rect class="right" x="{x:.1f}" y="{top + side * (1 - one.accuracy):.1f}" '
            f'width="{width:.1f}" height="{max(side * one.accuracy, 1):.1f}" fill-opacity=".75">'
            f"{said}</rect>"
        )
        across = left + one.confidence * side
        parts.append(
            f'<circle class="wrong" cx="{across:.1f}" cy="{top + side * (1 - one.accuracy):.1f}" '
            f'r="3">{said}</circle>'
        )
        tall = max(below * one.n / most, 1)
        parts.append(
            f'<rect class="field" style="opacity:.35" x="{x:.1f}" '
            f'y="{top + side + 26 + below - tall:.1f}" width="{width:.1f}" height="{tall:.1f}">'
            f"{said}</rect>"
        )
    bottom = top + side + 26 + below
    parts += [
        f'<text class="faint" x="{left + side * step / 4}" y="{top + side + 15}" '
        f'text-anchor="middle">{step / 4:.2f}</text>'
        for step in range(5)
    ]
    parts.append(
        f'<text class="faint" x="{left + side / 2}" y="{bottom + 16}" text-anchor="middle">'
        f"confidence; below, images (up to {most:,})</text>"
        f'<text class="faint" transform="translate(11 {top + side / 2}) rotate(-90)" '
        'text-anchor="middle">accuracy</text>'
    )
    return svg(left + side + 12, bottom + 22, parts, "reliability diagram")


def curves(
    epochs: Sequence[int], lines: Mapping[str, Sequence[float | None]], name: str, most: float
) -> str:
    """One or two lines over epochs, from 0 to most; None is a gap."""
    left, top, width, height = 44, 10, 360, 220
    parts = grid(left, top, width, height, most)
    first, last, under = min(epochs), max(epochs), top + height + 42
    for number, (label, values) in enumerate(lines.items()):
        points = [
            (
                left + width * ((epoch - first) / (last - first) if last > first else 0.5),
                top + height * (1 - min(value, most) / most),
                f"epoch {epoch}: {value:.4f}",
            )
            for epoch, value in zip(epochs, values, strict=True)
            if value is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        other, kind = (" other", "wrong") if number else ("", "right")
        parts.append(f'<polyline class="line{other}" stroke-width="2" points="{path}"/>')
        parts += [
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
            f"<title>{html.escape(label)}, {said}</title></circle>"
            for x, y, said in points
        ]
        parts.append(
            f'<circle class="{kind}" cx="{left + 8 + 110 * number}" cy="{under - 4}" r="4"/>'
            f'<text x="{left + 18 + 110 * number}" y="{under}">{html.escape(label)}</text>'
        )
    parts += [
        f'<text class="faint" x="{x}" y="{top + height + 16}" text-anchor="middle">{epoch}</text>'
        for x, epoch in ((left, first), (left + width, last))
    ]
    parts.append(
        f'<text class="faint" x="{left + width / 2}" y="{top + height + 16}" '
        'text-anchor="middle">epoch</text>'
        f'<text class="faint" transform="translate(11 {top + height / 2}) rotate(-90)" '
        f'text-anchor="middle">{html.escape(name)}</text>'
    )
    return svg(left + width + 12, top + height + 50, parts, name)


def changes(rows: Sequence[tuple[str, float, float, str]]) -> str:
    """A line a row from the first share, an open mark, to the second, a full one, on [0, 1].

    rows: a name, both shares, and what is said under the pointer.
    """
    left, width, step = 150, 420, 22
    parts = []
    for number in range(5):
        x = left + width * number / 4
        parts.append(
            f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{step * len(rows)}"/>'
            f'<text class="faint" x="{x}" y="{step * len(rows) + 16}" text-anchor="middle">'
            f"{number / 4:.2f}</text>"
        )
    for number, (name, before, after, said) in enumerate(rows):
        y = step * (number + 0.5)
        other, kind = (" other", "wrong") if after < before else ("", "right")
        ends = [left + width * share for share in (before, after)]
        short = html.escape(name if len(name) <= 22 else name[:21] + "…")
        parts.append(
            f"<g><title>{html.escape(said)}</title>"
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{short}</text>'
            f'<line class="line{other}" stroke-width="3" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
            f'y1="{y}" y2="{y}"/>'
            f'<circle class="line{other}" stroke-width="2" style="fill:light-dark(#fff,#111)" '
            f'cx="{ends[0]:.1f}" cy="{y}" r="4"/>'
            f'<circle class="{kind}" cx="{ends[1]:.1f}" cy="{y}" r="5"/></g>'
        )
    return svg(left + width + 20, step * len(rows) + 24, parts, "change of each class")


def grid(
    left: int, top: int, width: int, height: int, most: float = 1, *, least: float = 0
) -> list[str]:
    """Five lines across, with their values beside them."""
    parts = []
    for step in range(5):
        y = top + height * (1 - step / 4)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>'
            f'<text class="faint" x="{left - 6}" y="{y + 4}" text-anchor="end">'
            f"{least + (most - least) * step / 4:.2f}</text>"
        )
    return parts


def svg(width: float, height: float, parts: Sequence[str], name: str) -> str:
    """A drawing, with what it shows for those who cannot see it."""
    inside = "\n".join(parts)
    return (
        f'<svg role="img" aria-label="{html.escape(name)}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">{inside}</svg>'
    )
