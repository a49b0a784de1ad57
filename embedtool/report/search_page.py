"""Write search results as a self-contained page."""

from collections.abc import Sequence
from pathlib import Path

from embedtool.core.types import PathLike
from embedtool.report.page import render, write_page
from embedtool.search.results import QueryMatches

THUMBNAIL = 320  # pixels on the longer side


def write_search_page(results: Sequence[QueryMatches], path: PathLike) -> None:
    """Write results as one self-contained HTML page with thumbnails."""
    write_page(path, search_page(results))


def search_page(results: Sequence[QueryMatches]) -> str:
    """Return HTML with inline thumbnails. A file that cannot be read is shown with the reason."""
    count = len(results)
    return render(
        "search.html",
        title=f"{count} {'query' if count == 1 else 'queries'} and the nearest images",
        similarity=results[0].similarity if results else "",
        queries=[(Path(result.query), result.matches) for result in results],
        side=THUMBNAIL,
    )
