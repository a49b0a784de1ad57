"""Clusters as one self-contained contact sheet, and as one picture."""

import html
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.explore.results import Cluster, ClusterReport
from embedtool.report.page import document, link, picture, shown

THUMBNAIL = 160  # pixels on the longer side, in the page
EDGES = 4  # borderline members and outliers shown
STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600 }
h2 { font-size: 1.05rem; font-weight: 600; margin: 0 }
.note, .size { opacity: .75 }
section { border-top: 1px solid var(--line); padding: 1rem 0 1.25rem }
.size { margin: .1rem 0 .7rem; font-variant-numeric: tabular-nums }
.bar { height: .3rem; border-radius: .15rem; background: #0072b2; margin: .3rem 0 .6rem }
.rows { display: grid; gap: .9rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)) }
.rows > :first-child { grid-column: 1 / -1 }
h3 { font-size: .8rem; font-weight: 500; opacity: .75; margin: 0 0 .3rem }
.images { display: grid; gap: .5rem; grid-template-columns: repeat(8, minmax(0, 1fr)) }
.few { grid-template-columns: repeat(4, minmax(0, 1fr)) }
img, .none { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .3rem; display: block;
  background: color-mix(in srgb, currentColor 6%, transparent); box-sizing: border-box }
.none { border: 1px dashed var(--line); display: grid; place-content: center; opacity: .6;
  font-size: .7rem }
nav { columns: 14rem; margin: 1rem 0 2rem }
nav a { display: block; color: inherit }
@media (max-width: 40rem) { .images { grid-template-columns: repeat(4, minmax(0, 1fr)) } }
"""


def write_clusters_page(report: ClusterReport, path: PathLike) -> None:
    """Write clusters as one self-contained HTML page with thumbnails."""
    with atomic_write(Path(path)) as file:
        file.write(clusters_page(report).encode())


def clusters_page(report: ClusterReport) -> str:
    """HTML with every thumbnail inside it; a file that cannot be read is shown as such."""
    total = len(report.members)
    title = f"{len(report.clusters)} clusters of {total:,} images"
    notes = "".join(f'<p class="note">{html.escape(note)}</p>\n' for note in report.notes)
    lead = (
        f'<p class="note">{report.noise:,} images ({report.noise / max(total, 1):.0%}) belong to '
        "none. Each cluster shows the images nearest to its centre, then those between it and "
        "another, and those least like it.</p>\n"
    )
    names = "".join(f'<a href="#c{c.id}">{shown(c.name)} ({c.size:,})</a>' for c in report.clusters)
    widest = max((c.size for c in report.clusters), default=1)
    sections = "\n".join(_section(c, total, widest) for c in report.clusters)
    return document(title, STYLE, f"{lead}{notes}<nav>{names}</nav>\n{sections}")


def _section(cluster: Cluster, total: int, widest: int) -> str:
    rows = [
        ("nearest to the centre", "images", cluster.representatives),
        ("between this and another", "images few", cluster.borderline[:EDGES]),
        ("least like the rest", "images few", cluster.outliers[:EDGES]),
    ]
    inside = "".join(
        f'<div><h3>{title}</h3><div class="{style}">{"".join(map(_image, paths))}</div></div>'
        for title, style, paths in rows
    )
    return (
        f'<section id="c{cluster.id}"><h2>{shown(cluster.name)}</h2>'
        f'<p class="size">{cluster.size:,} images, {cluster.size / total:.1%}; stability '
        f"{cluster.stability:.2f}</p>"
        f'<div class="bar" style="width: {100 * cluster.size / widest:.1f}%"></div>'
        f'<div class="rows">{inside}</div></section>'
    )


def _image(path: Path) -> str:
    try:
        image = (
            f'<img alt="{shown(path.name)}" loading="lazy" '
            f'src="{picture(path.read_bytes(), THUMBNAIL)}">'
        )
    except (OSError, ImageRejected) as error:
        image = f'<div class="none">{html.escape(type(error).__name__)}</div>'
    return f'<a href="{link(path)}" title="{shown(path)}">{image}</a>'
