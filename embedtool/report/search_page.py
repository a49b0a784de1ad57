"""Search results as one self-contained page."""

import html
from collections.abc import Sequence
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.report.page import document, link, picture, shown
from embedtool.search.results import QueryMatches

THUMBNAIL = 240  # pixels on the longer side
STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600 }
section { display: flex; gap: 1.5rem; border-top: 1px solid var(--line); padding: 1.5rem 0 }
.query { flex: 0 0 15rem }
.matches { flex: 1; display: grid; gap: 1rem;
  grid-template-columns: repeat(5, minmax(0, 1fr)); align-items: start }
figure { margin: 0; min-width: 0 }
img, .none { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .4rem; display: block }
.query img { aspect-ratio: auto }
.none { border: 1px dashed var(--line); display: grid; place-content: center; opacity: .6 }
figcaption { font-size: .8rem; overflow-wrap: anywhere; margin-top: .3rem }
b { font-variant-numeric: tabular-nums }
@media (max-width: 40rem) { section { flex-direction: column }
  .matches { grid-template-columns: repeat(2, minmax(0, 1fr)) } .query { flex: none } }
"""


def write_search_page(results: Sequence[QueryMatches], path: PathLike) -> None:
    """Write results as one self-contained HTML page with thumbnails."""
    with atomic_write(Path(path)) as file:
        file.write(search_page(results).encode())


def search_page(results: Sequence[QueryMatches]) -> str:
    """HTML with every thumbnail inside it; a file that can no longer be read is shown as such."""
    sections = "\n".join(
        f'<section><div class="query">{_figure(Path(r.query), "query")}</div>\n'
        '<div class="matches">'
        + "\n".join(_figure(m.path, f"<b>{m.similarity:.3f}</b>") for m in r.matches)
        + "</div></section>"
        for r in results
    )
    count = len(results)
    title = f"{count} {'query' if count == 1 else 'queries'} and what is nearest"
    return document(title, STYLE, sections)


def _figure(path: Path, caption: str) -> str:
    name = shown(path.name)
    try:
        image = f'<img alt="{name}" src="{picture(path.read_bytes(), THUMBNAIL)}">'
    except (OSError, ImageRejected) as error:
        image = f'<div class="none">{html.escape(type(error).__name__)}</div>'
    return (
        f'<figure title="{shown(path)}"><a href="{link(path)}">{image}</a>'
        f"<figcaption>{caption} {name}</figcaption></figure>"
    )
