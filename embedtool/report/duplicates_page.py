"""Write groups of duplicates as a self-contained page."""

from embedtool.core.types import PathLike
from embedtool.duplicates.results import Duplicates
from embedtool.report.page import render, write_page

THUMBNAIL = 240  # pixels on the longer side
SHOWN = 12  # images per group; 500 equal images would show no more
MEANING = {
    "identical": "Files with the same bytes.",
    "near-identical": "One picture that was re-encoded or resized, as its pixels show. Of "
    "identical files, only the kept one is shown here.",
    "edited": "One picture, and edits of it: a crop, a filter, a caption. --move moves these only "
    "with --edited.",
    "similar": "Similar for the network, but not the same picture. --move does not move these.",
}


def write_duplicates_page(duplicates: Duplicates, path: PathLike) -> None:
    """Write groups as one self-contained HTML page with thumbnails."""
    write_page(path, duplicates_page(duplicates))


def duplicates_page(duplicates: Duplicates) -> str:
    """Return HTML with inline thumbnails. A file that cannot be read is shown with the reason."""
    groups = duplicates.groups
    kinds = [(kind, [group for group in groups if group.kind == kind]) for kind in MEANING]
    kinds = [(kind, members) for kind, members in kinds if members]
    counts = ", ".join(f"{len(members)} {kind}" for kind, members in kinds) or "no"
    return render(
        "duplicates.html",
        title=f"{counts} group{'' if len(groups) == 1 else 's'} among {duplicates.images:,} images",
        duplicates=duplicates,
        kinds=kinds,
        meaning=MEANING,
        redundant=sum(len(group.redundant) for group in groups),
        side=THUMBNAIL,
        shown=SHOWN,
    )
