"""`run_demo`: the main job on pictures drawn on the spot, with nothing fetched."""

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
    """What `run_demo` made. precision_at_10: the share of the 10 nearest images that are of the
    query's kind."""

    photos: Path
    search_page: Path
    report: IndexReport
    queries: Sequence[QueryMatches]
    precision_at_10: float
    clusters: ClusterReport
    map_page: Path


def run_demo(out: PathLike = "embedtool-demo", *, progress: Progress | None = None) -> DemoResult:
    """Draw pictures into out/photos, index them with builtin, search, cluster and map them, and
    write a page of what was found and one of the map."""
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
