"""Two models on the same images, as one self-contained page."""

import html
from pathlib import Path

from embedtool.classification.cluster_agreement import Agreement
from embedtool.classification.compare_vectors import ClassChange, Comparison, Measure, Moved
from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.report import charts
from embedtool.report.page import document, link, picture, shown

THUMBNAIL = 200  # pixels on the longer side
STYLE = (
    """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
p { max-width: 50rem; margin: .2rem 0 1rem } .note, h2 + p { opacity: .75 }
table { border-collapse: collapse } small { opacity: .7 }
td, th { text-align: right; padding: .3rem .9rem; font-variant-numeric: tabular-nums }
th { font-weight: 500; opacity: .7; border-bottom: 1px solid var(--line) }
td:first-child, th:first-child { text-align: left }
td b { font-weight: 600 } .up { color: var(--right) } .down { color: var(--wrong) }
.moved { display: grid; gap: 1.2rem 1.6rem;
  grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)) }
.moved > div { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem }
figure { margin: 0; min-width: 0 }
img, .none { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .3rem;
  background: color-mix(in srgb, currentColor 6%, transparent); display: block;
  box-sizing: border-box }
.none { border: 1px dashed var(--line); display: grid; place-content: center; opacity: .6 }
figcaption { font-size: .8rem; margin-top: .25rem; overflow: hidden; text-overflow: ellipsis }
"""
    + charts.STYLE
)


def write_comparison_page(comparison: Comparison, path: PathLike) -> None:
    """Write a comparison as one self-contained HTML page with thumbnails."""
    with atomic_write(Path(path)) as file:
        file.write(comparison_page(comparison).encode("utf-8", "replace"))


def comparison_page(comparison: Comparison) -> str:
    """HTML with every drawing and thumbnail inside it."""
    a, b = comparison.models
    names = [
        f"{side}: {shown(model)} ({shown(index)})"
        for side, model, index in zip("AB", comparison.models, comparison.indexes, strict=True)
    ]
    overlap = comparison.overlap
    parts = [
        f'<p class="note">{names[0]}; {names[1]}. {comparison.images:,} images of '
        f"{len(comparison.classes)} classes in both, {comparison.queries:,} of them ranked for. "
        "Each score is of images left out, with its 95 % interval; a change is paired by "
        "image.</p>",
        *(f'<p class="note">{shown(note)}</p>' for note in comparison.notes),
        "<table><tr><th></th><th>A</th><th>B</th><th>change</th></tr>",
        *map(_measure, comparison.measures),
        "</table>",
        f"<p>Of the 10 nearest of an image, the two models share {overlap.value:.0%} "
        f"<small>({overlap.low:.0%} to {overlap.high:.0%})</small>.</p>",
        *_agreement(comparison.agreement),
        "<h2>Classes</h2>\n<p>The share of each class that the probe finds, the most changed "
        "first: an open mark under A, a full one under B.</p>",
        charts.changes(
            [(one.name, one.first, one.second, _told(one)) for one in _ordered(comparison)]
        ),
        "<h2>Images that moved most</h2>\n<p>Those whose similarities to all others changed most: "
        "the image, its nearest under A, its nearest under B.</p>",
        '<div class="moved">',
        *map(_moved, comparison.moved),
        "</div>",
    ]
    return document(f"{shown(a)} and {shown(b)}", STYLE, "\n".join(parts))


def _measure(one: Measure) -> str:
    cells = "".join(
        f"<td><b>{e.value:.3f}</b> <small>{e.low:.3f} to {e.high:.3f}</small></td>"
        for e in (one.first, one.second)
    )
    change = one.change
    style = "up" if change.low > 0 else "down" if change.high < 0 else ""
    return (
        f"<tr><td>{html.escape(one.name)}</td>{cells}"
        f'<td><b class="{style}">{change.value:+.3f}</b> '
        f"<small>{change.low:+.3f} to {change.high:+.3f}</small></td></tr>"
    )


def _agreement(same: Agreement | None) -> list[str]:
    if same is None:
        return []
    a, b = same.counts
    return [
        f"<p>Their clusters, {a:,} of A and {b:,} of B, agree with an adjusted mutual information "
        f"of {same.ami:.3f} and an adjusted Rand index of {same.ari:.3f}: 1 is the same clusters, "
        f"0 no more than chance <small>({same.images:,} images)</small>.</p>"
    ]


def _ordered(comparison: Comparison) -> list[ClassChange]:
    return sorted(comparison.per_class, key=lambda one: (-abs(one.second - one.first), one.name))


def _told(one: ClassChange) -> str:
    return f"{one.name}: {one.first:.3f} to {one.second:.3f} of {one.images} images"


def _moved(one: Moved) -> str:
    figures = (
        _figure(one.path, f"{one.label} {one.moved:.2f}"),
        _figure(one.first, "A"),
        _figure(one.second, "B"),
    )
    return f"<div>{''.join(figures)}</div>"


def _figure(path: Path, caption: str) -> str:
    try:
        address = picture(path.read_bytes(), THUMBNAIL)
        image = f'<img alt="{shown(path.name)}" loading="lazy" src="{address}">'
    except (OSError, ImageRejected) as error:
        image = f'<div class="none">{html.escape(type(error).__name__)}</div>'
    return (
        f'<figure title="{shown(path)}"><a href="{link(path)}">{image}</a>'
        f"<figcaption>{shown(caption)}</figcaption></figure>"
    )
