"""Write a comparison of two models on the same images as a self-contained page."""

from embedtool.classification.compare_vectors import Comparison
from embedtool.core.types import PathLike
from embedtool.report import charts
from embedtool.report.page import render, write_page

THUMBNAIL = 200  # pixels on the longer side


def write_comparison_page(comparison: Comparison, path: PathLike) -> None:
    """Write a comparison as one self-contained HTML page with thumbnails."""
    write_page(path, comparison_page(comparison))


def comparison_page(comparison: Comparison) -> str:
    """Return HTML with inline charts and thumbnails."""
    classes = sorted(comparison.per_class, key=lambda one: (-abs(one.second - one.first), one.name))
    return render(
        "comparison.html",
        title=" and ".join(comparison.models),
        comparison=comparison,
        indexes=list(zip(comparison.models, comparison.indexes, strict=True)),
        changes=charts.changes(
            [(one.name, one.first, one.second, f"{one.images} images") for one in classes]
        ),
        side=THUMBNAIL,
    )
