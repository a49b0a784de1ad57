"""Groups of duplicates as one self-contained page."""

import html
from collections import Counter
from pathlib import Path

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.errors import ImageRejected
from embedtool.report.page import document, link, picture, shown

THUMBNAIL = 240  # pixels on the longer side
SHOWN = 12  # images of one group; a page of 500 equal frames says no more than one of 12
STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent);
  --keep: light-dark(#1a7f37, #4ac26b) }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600 }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
.note, h2 + p { opacity: .75; margin: .2rem 0 1rem; max-width: 50rem }
section { border-top: 1px solid var(--line); padding: 1rem 0 1.25rem }
section > p { margin: 0 0 .6rem }
.group { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(10rem, 12rem)) }
figure { margin: 0; min-width: 0 }
img, .none { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .3rem;
  background: color-mix(in srgb, currentColor 6%, transparent); display: block;
  box-sizing: border-box }
.none { border: 1px dashed var(--line); display: grid; place-content: center;
  opacity: .6 }
figcaption { font-size: .8rem; overflow-wrap: anywhere; margin-top: .35rem }
.folder { opacity: .65 }
.keep b { color: var(--keep) }
b { font-variant-numeric: tabular-nums }
"""
MEANING = {
    "identical": "The same bytes under several names.",
    "near-identical": "One picture re-encoded, resized or lightly cropped: its pixels were "
    "compared. Of identical files only the kept one is shown here.",
    "similar": "Much alike to the network, but not the same picture. A move leaves these alone.",
}


def write_duplicates_page(duplicates: Duplicates, path: PathLike) -> None:
    """Write groups as one self-contained HTML page with thumbnails."""
    with atomic_write(Path(path)) as file:
        file.write(duplicates_page(duplicates).encode())


def duplicates_page(duplicates: Duplicates) -> str:
    """HTML with every thumbnail inside it; a file that cannot be read is shown as such."""
    kinds = Counter(group.kind for group in duplicates.groups)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no"
    spare = sum(len(group.spare) for group in duplicates.groups)
    title = f"{told} group{'' if kinds.total() == 1 else 's'} among {duplicates.images:,} images"
    parts = [
        f"<h2>{kind} ({kinds[kind]})</h2>\n<p>{meaning}</p>\n"
        + "\n".join(_section(g) for g in duplicates.groups if g.kind == kind)
        for kind, meaning in MEANING.items()
        if kinds[kind]
    ]
    notes = "".join(f'<p class="note">{html.escape(note)}</p>\n' for note in duplicates.notes)
    lead = f'<p class="note">{spare:,} images could go: every one has a kept image beside it.</p>\n'
    return document(title, STYLE, lead + notes + "\n".join(parts))


def _section(group: DuplicateGroup) -> str:
    figures = [
        _figure(group, path, similarity)
        for path, similarity in zip(group.paths[:SHOWN], group.similarities, strict=False)
    ]
    more = len(group.paths) - SHOWN
    tail = f"<p>and {more:,} more</p>" if more > 0 else ""
    alike = "" if group.kind == "identical" else f", similarity {group.similarity:.3f} or more"
    doubt = "" if group.verified else "; a file is gone, its vector decided"
    return (
        f'<section><p>{len(group.paths)} images{alike}{doubt}</p><div class="group">\n'
        + "\n".join(figures)
        + f"</div>{tail}</section>"
    )


def _figure(group: DuplicateGroup, path: Path, similarity: float) -> str:
    name, folder = shown(path.name), shown(path.parent.name)
    try:
        data = path.read_bytes()
        image = f'<img alt="{name}" loading="lazy" src="{picture(data, THUMBNAIL)}">'
        size = f", {len(data) / 1000:,.0f} kB"
    except (OSError, ImageRejected) as error:
        image, size = f'<div class="none">{html.escape(type(error).__name__)}</div>', ""
    if path == group.keep:
        said = f"<b>keep</b>: {html.escape(group.reason)}"
    else:
        said = f"<b>{similarity:.3f}</b>"
    style = ' class="keep"' if path == group.keep else ""
    return (
        f'<figure{style} title="{shown(path)}"><a href="{link(path)}">{image}</a>'
        f"<figcaption>{said}{size}<br>"
        f'{name}<br><span class="folder">{folder}</span></figcaption></figure>'
    )
