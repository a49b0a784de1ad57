"""Groups of duplicates as one self-contained page."""

from embedtool.core.types import PathLike
from embedtool.duplicates.results import Duplicates
from embedtool.report.page import render, write_page

THUMBNAIL = 240  # pixels on the longer side
SHOWN = 12  # images of one group; a page of 500 equal frames says no more than one of 12
MEANING = {
    "identical": "The same bytes under several names.",
    "near-identical": "One picture re-encoded, resized or lightly cropped: its pixels were "
    "compared. Of identical files only the kept one is shown here.",
    "similar": "Much alike to the network, but not the same picture. A move leaves these alone.",
}


def write_duplicates_page(duplicates: Duplicates, path: PathLike) -> None:
    """Write groups as one self-contained HTML page with thumbnails."""
    write_page(path, duplicates_page(duplicates))


def duplicates_page(duplicates: Duplicates) -> str:
    """Return HTML with every thumbnail inside it; a file that cannot be read is shown as such."""
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
