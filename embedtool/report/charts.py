"""Charts as inline SVG elements, in the colours of the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from markupsafe import Markup, escape

from embedtool.classification.intervals import Estimate
from embedtool.classification.metrics import ReliabilityBin
from embedtool.finetune.tune_report import TuneTrial

MATRIX = 620  # width of a confusion matrix in pixels, unless CELL times its classes is more
CELL = 5  # least width of a class in pixels: 200 classes are 1,000 wide
NUMBERED = 24  # up to this many classes, cells show their counts
NAMED = 60  # up to this many classes, rows and columns show their names
STEPS = (0.01, 0.02, 0.05, 0.1, 0.25)  # distances between the lines of a history
LABELLED = 20  # up to this many trials, all numbers are shown under a history; then every second
BAR = 260  # pixels of an importance of 1


def _element(name: str, *content: str, **attributes: object) -> Markup:
    """Return an SVG element with escaped attributes and content. `_` in the name of an attribute
    becomes `-`, and a trailing `_` is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_rounded(value))}"'
        for key, value in attributes.items()
    )
    inside = "".join(map(escape, content))
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def _rounded(value: object) -> object:
    return f"{round(value, 2):g}" if isinstance(value, float) else value


def _text(content: str, x: float, y: float, *, rotate: int = 0, **attributes: object) -> Markup:
    """Return a text. rotate: degrees, about the position of the text."""
    turn = {"transform": f"rotate({rotate} {x:g} {y:g})"} if rotate else {}
    return _element("text", content, x=x, y=y, **turn, **attributes)


def _axis_text(content: str, x: float, y: float, *, rotate: int = 0) -> Markup:
    return _text(content, x, y, rotate=rotate, class_="faint", text_anchor="middle")


def _shortened(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _svg(width: float, height: float, parts: Sequence[Markup], name: str) -> Markup:
    """Return a chart. name: for screen readers."""
    size = {"width": f"{width:.0f}", "height": f"{height:.0f}"}
    box = f"0 0 {width:.0f} {height:.0f}"
    return _element("svg", *parts, role="img", aria_label=name, **size, viewBox=box)


def confusion_matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Draw a confusion matrix. Rows are true classes, columns are predicted classes, and a cell is
    darker the larger its share of its row.

    Empty cells are not drawn. Each cell has its classes and count as a tooltip.
    """
    c = len(classes)
    cell = max(CELL, MATRIX // c) if c > NUMBERED else max(26, min(52, MATRIX // c))
    longest = max(map(len, classes)) if c <= NAMED else 0
    letter = min(11, cell + 1)
    margin = min(7 * longest, 170) + 26
    side = c * cell
    parts = [_element("rect", class_="field", x=margin, y=margin, width=side, height=side)]
    for i, row in enumerate(matrix):
        total = sum(row)
        for j, count in enumerate(row):
            if not count:
                continue
            share = count / total
            x, y = margin + j * cell, margin + i * cell
            pair = classes[i] if i == j else f"{classes[i]} predicted as {classes[j]}"
            title = _element("title", f"{pair}: {count} of {total} ({share:.0%})")
            colour = "blue" if i == j else "orange"
            opacity = 0.12 + 0.88 * share**0.6
            place = {"x": x, "y": y, "width": cell, "height": cell}
            parts.append(_element("rect", title, class_=colour, **place, fill_opacity=opacity))
            if c <= NUMBERED:
                style = {"class_": "over"} if share > 0.45 else {}
                at = {"x": x + cell / 2, "y": y + cell / 2 + 4, "text_anchor": "middle"}
                parts.append(_element("text", f"{count}", pointer_events="none", **at, **style))
    if c <= NAMED:
        for i, name in enumerate(classes):
            start = margin + (i + 0.5) * cell + letter / 3
            short = _shortened(name, 24)
            parts += [
                _text(short, margin - 6, start, font_size=letter, text_anchor="end"),
                _text(short, start, margin - 6, rotate=-90, font_size=letter),
            ]
    middle = margin + side / 2
    parts += [_axis_text("predicted", middle, 10), _axis_text("true", 10, middle, rotate=-90)]
    return _svg(margin + side + 4, margin + side + 4, parts, "confusion matrix")


def interval(score: Estimate) -> Markup:
    """Draw a score as a point on [0, 1] and its interval as a line."""
    parts = [_element("line", class_="grid", x1=4, x2=196, y1=8, y2=8)]
    if score.ends:
        low, high = (4 + 192 * share for share in score.ends)
        ends = {"x1": low, "x2": max(high, low + 1), "y1": 8, "y2": 8}
        parts.append(_element("line", class_="line", stroke_opacity=0.6, stroke_width=4, **ends))
    parts.append(_element("circle", class_="blue", cx=4 + 192 * score.value, cy=8, r=3.5))
    return _svg(200, 16, parts, "interval")


def reliability(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw accuracy by confidence, with the diagonal on which both agree, and below, the number of
    images."""
    left, top, side, below = 44, 10, 320, 60
    diagonal = {"x1": left, "y1": top + side, "x2": left + side, "y2": top}
    parts = _grid(left, top, side, side)
    parts.append(_element("line", class_="axis", stroke_dasharray=4, **diagonal))
    most = max(one.n for one in bins)
    bottom = top + side + 26 + below
    for one in bins:
        if not one.n:
            continue
        tip = f"{one.n} images, mean confidence {one.confidence:.2f}, accuracy {one.accuracy:.2f}"
        title = _element("title", tip)
        y = top + side * (1 - one.accuracy)
        tall = max(below * one.n / most, 1)
        bar = {"x": left + one.low * side, "width": (one.high - one.low) * side - 1}
        height = max(side * one.accuracy, 1)
        across = left + one.confidence * side
        parts += [
            _element("rect", title, class_="blue", **bar, y=y, height=height, fill_opacity=0.75),
            _element("circle", title, class_="orange", cx=across, cy=y, r=3),
            _element("rect", title, class_="amount", **bar, y=bottom - tall, height=tall),
        ]
    middle = left + side / 2
    parts += [
        _axis_text(f"{step / 4:.2f}", left + side * step / 4, top + side + 15) for step in range(5)
    ]
    parts += [
        _axis_text(f"confidence; below, images (up to {most:,})", middle, bottom + 16),
        _axis_text("accuracy", 11, top + side / 2, rotate=-90),
    ]
    return _svg(left + side + 12, bottom + 22, parts, "reliability diagram")


def curves(
    epochs: Sequence[int], lines: Mapping[str, Sequence[float | None]], name: str, most: float
) -> Markup:
    """Draw one or two lines over epochs, from 0 to most. None is a gap."""
    left, top, width, height = 44, 10, 360, 220
    parts = _grid(left, top, width, height, most)
    first, last, legend = min(epochs), max(epochs), top + height + 38
    for number, (label, values) in enumerate(lines.items()):
        points = [
            (
                left + width * ((epoch - first) / (last - first) if last > first else 0.5),
                top + height * (1 - min(value, most) / most),
                f"{label}, epoch {epoch}: {value:.4f}",
            )
            for epoch, value in zip(epochs, values, strict=True)
            if value is not None
        ]
        style, colour = ("line other", "orange") if number else ("line", "blue")
        parts.append(_polyline([(x, y) for x, y, _ in points], class_=style, stroke_width=2))
        parts += [
            _element("circle", _element("title", tip), class_=colour, cx=x, cy=y, r=3)
            for x, y, tip in points
        ]
        parts += [
            _element("circle", class_=colour, cx=left + 8 + 110 * number, cy=legend, r=4),
            _text(label, left + 18 + 110 * number, legend + 4),
        ]
    parts += [
        _axis_text(f"{first}", left, top + height + 16),
        _axis_text("epoch", left + width / 2, top + height + 16),
        _axis_text(f"{last}", left + width, top + height + 16),
        _axis_text(name, 11, top + height / 2, rotate=-90),
    ]
    return _svg(left + width + 12, top + height + 50, parts, name)


def changes(rows: Sequence[tuple[str, float, float, str]]) -> Markup:
    """Draw one line per row on [0, 1], from the first share, an open circle, to the second, a
    filled one.

    rows: a name, both shares, and the total that they are shares of, as text.
    """
    left, width, step = 150, 420, 22
    bottom = step * len(rows)
    parts = []
    for number in range(5):
        x = left + width * number / 4
        parts += [
            _element("line", class_="grid", x1=x, x2=x, y1=0, y2=bottom),
            _axis_text(f"{number / 4:.2f}", x, bottom + 16),
        ]
    for number, (name, before, after, total) in enumerate(rows):
        y = step * (number + 0.5)
        style, colour = ("line other", "orange") if after < before else ("line", "blue")
        first, second = (left + width * share for share in (before, after))
        parts.append(
            _element(
                "g",
                _element("title", f"{name}: {before:.3f} to {after:.3f} of {total}"),
                _text(_shortened(name, 22), left - 10, y + 4, text_anchor="end"),
                _element("line", class_=style, stroke_width=3, x1=first, x2=second, y1=y, y2=y),
                _element("circle", class_=f"{style} open", stroke_width=2, cx=first, cy=y, r=4),
                _element("circle", class_=colour, cx=second, cy=y, r=5),
            )
        )
    return _svg(left + width + 20, bottom + 24, parts, "change of each class")


def history(trials: Sequence[TuneTrial]) -> Markup:
    """Draw the accuracy of each trial, open if it was pruned, and a line of the best so far."""
    left, top, width, height = 44, 10, 560, 240
    best = list(accumulate((t.accuracy if t.finished else 0.0 for t in trials), max))
    low, high = _scale([trial.accuracy for trial in trials])

    def at(number: int, value: float) -> tuple[float, float]:
        x = left + width * (number + 0.5) / len(trials)
        return x, top + height * (high - max(value, low)) / (high - low)

    parts = _grid(left, top, width, height, high, least=low)
    parts.append(_polyline(list(map(at, range(len(best)), best)), class_="line other"))
    every = -(-len(trials) // LABELLED)
    for number, trial in enumerate(trials):
        x, y = at(number, trial.accuracy)
        title = _element("title", f"trial {trial.number}: {trial.accuracy:.4f}")
        style = "blue" if trial.finished else "line open"
        parts.append(_element("circle", title, class_=style, cx=x, cy=y, r=4))
        if number % every == 0:
            parts.append(_axis_text(f"{trial.number}", x, top + height + 16))
    return _svg(left + width + 10, top + height + 24, parts, "validation accuracy by trial")


def importance(shares: Mapping[str, float]) -> Markup:
    """Draw a bar for each setting, the largest share first."""
    parts = []
    for row, (name, share) in enumerate(sorted(shares.items(), key=lambda item: -item[1])):
        y = 22 * row
        parts += [
            _text(name, 130, y + 14, text_anchor="end"),
            _element("rect", class_="blue", x=138, y=y + 3, width=BAR * share, height=14),
            _text(f"{share:.2f}", 144 + BAR * share, y + 14, class_="faint"),
        ]
    return _svg(138 + BAR + 60, 22 * len(shares), parts, "importance of each setting")


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of four round steps that include all values, if possible."""
    for step in STEPS:
        low = min(math.floor(min(values) / step) * step, 1 - 4 * step)
        if low + 4 * step >= max(values):
            break
    return low, low + 4 * step


def _grid(
    left: int, top: int, width: int, height: int, most: float = 1, *, least: float = 0
) -> list[Markup]:
    """Draw five horizontal lines with their values."""
    parts = []
    for step in range(5):
        y = top + height * (1 - step / 4)
        value = f"{least + (most - least) * step / 4:.2f}"
        parts += [
            _element("line", class_="grid", x1=left, x2=left + width, y1=y, y2=y),
            _text(value, left - 6, y + 4, class_="faint", text_anchor="end"),
        ]
    return parts


def _polyline(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return _element("polyline", points=path, **attributes)
