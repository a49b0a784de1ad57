"""Write clusters as a self-contained contact sheet."""

from embedtool.core.types import PathLike
from embedtool.explore.results import ClusterReport
from embedtool.report.page import render, write_page

THUMBNAIL = 200  # pixels on the longer side
EDGES = 4  # borderline members and outliers shown


def write_clusters_page(report: ClusterReport, path: PathLike) -> None:
    """Write clusters as one self-contained HTML page with thumbnails."""
    write_page(path, clusters_page(report))


def clusters_page(report: ClusterReport) -> str:
    """Return HTML with inline thumbnails. A file that cannot be read is shown with the reason."""
    images = len(report.members)
    return render(
        "clusters.html",
        title=f"{len(report.clusters)} clusters of {images:,} images",
        report=report,
        images=images,
        noise_share=report.noise / max(images, 1),
        side=THUMBNAIL,
        edges=EDGES,
    )
