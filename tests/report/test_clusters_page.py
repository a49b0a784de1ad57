"""The contact sheet of clusters in a browser."""

from pathlib import Path

import pytest
from support.browser import Page

from embedtool import cluster_index, index_photos
from embedtool.images.drawn import draw_photos


@pytest.mark.slow
@pytest.mark.browser
def test_the_contact_sheet_in_a_browser(tmp_path: Path, chromium: Page) -> None:
    draw_photos(tmp_path / "photos", per_kind=12)
    file = tmp_path / "sheet.html"
    report = cluster_index(
        index_photos(tmp_path / "photos", index=tmp_path / "i", model="builtin").index
    )
    report.write_html(file)
    file.write_text(file.read_text().replace('loading="lazy" ', ""))  # else those out of sight wait
    with chromium.another() as page:
        page.open(file)
        drawn = page.run("[...document.images].filter((i) => i.naturalWidth).length")
        assert drawn == sum(min(c.size, 8) + 2 * min(c.size, 4) for c in report.clusters) > 0
        assert page.errors == []
