"""The contact sheet of clusters in a browser."""

from pathlib import Path

import pytest
from support.browser import Page

from embedtool.explore.results import Cluster, ClusterReport, Member
from embedtool.report.clusters_page import EDGES, write_clusters_page


@pytest.mark.slow
@pytest.mark.browser
def test_the_contact_sheet_in_a_browser(drawn: Path, tmp_path: Path, chromium: Page) -> None:
    """Each kind of picture is a cluster, of whose edges more are known than are shown."""
    clusters: list[Cluster] = []
    members: list[Member] = []
    for kind in sorted(drawn.iterdir()):
        paths = tuple(sorted(kind.glob(f"{kind.name}-*")))
        members += [Member(path, len(clusters), len(clusters), 1.0) for path in paths]
        clusters.append(Cluster(len(clusters), kind.name, 3, 1.0, paths, 2 * paths, 2 * paths))
    file = tmp_path / "sheet.html"
    report = ClusterReport(drawn, tuple(clusters), tuple(members), 0, 2, 0.5, 0)
    write_clusters_page(report, file)
    file.write_text(file.read_text().replace('loading="lazy" ', ""))  # else those out of sight wait
    with chromium.another() as page:
        page.open(file)
        shown = page.run("[...document.images].filter((i) => i.naturalWidth).length")
        assert shown == len(clusters) * (3 + 2 * EDGES) > 0
        assert page.errors == []
