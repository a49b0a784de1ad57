"""`run_demo`: try the main commands on generated pictures, without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import embedtool
from embedtool.collection.results import IndexReport
from embedtool.core.types import PathLike, Progress
from embedtool.explore.results import ClusterReport
from embedtool.images.drawn import draw_photos, draw_queries
from embedtool.report.search_page import write_search_page
from embedtool.search.results import QueryMatches


@dataclass(frozen=True)
class DemoResult:
    """The result of `run_demo`. precision_at_10: the share of the 10 nearest images that show the
    same kind of picture as the query, a mean over the queries."""

    photos: Path
    search_page: Path
    report: IndexReport
    queries: Sequence[QueryMatches]
    precision_at_10: float
    clusters: ClusterReport
    map_page: Path


def run_demo(out: PathLike = "embedtool-demo", *, progress: Progress | None = None) -> DemoResult:
    """Draw pictures into out/photos, index them with the builtin network, and search, cluster and
    map them.

    Writes an HTML page of search results and one of the map.

    >>> result = embedtool.run_demo("demo")
    >>> result.report.added, result.precision_at_10 > 0.9, result.map_page.name
    (360, True, 'map.html')
    """
    out = Path(out).absolute()
    draw_photos(out / "photos")
    queries = draw_queries(out / "queries")
    report = embedtool.index_photos(
        out / "photos", index=out / "index", model="builtin", progress=progress
    )
    with embedtool.open(report.index) as index:
        results = index.search(queries, k=10)
        clusters = index.cluster(name_by="label", progress=progress)
        index.map(progress=progress).write_html(out / "map.html")
    write_search_page(results, out / "search.html")
    same_kind = [m.path.parent.name == Path(r.query).stem for r in results for m in r]
    return DemoResult(
        photos=out / "photos",
        search_page=out / "search.html",
        report=report,
        queries=results,
        precision_at_10=sum(same_kind) / len(same_kind),
        clusters=clusters,
        map_page=out / "map.html",
    )
