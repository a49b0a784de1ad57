"""In a browser, a page runs no script but its own and loads nothing, whatever was smuggled in."""

from pathlib import Path

import pytest
from support.browser import Page
from support.maps import index_of_pictures, save_random_map
from support.pictures import picture, save

from embedtool import map_index
from embedtool.report.map_page import write_map_page
from embedtool.report.search_page import search_page
from embedtool.search.results import Match, QueryMatches

pytestmark = pytest.mark.browser

SMUGGLED = """
<script>window.ran = "script"</script>
<img src="x" onerror="window.ran = 'attribute'">
<img src="http://127.0.0.1:9/picture.png">
<iframe src="data:text/html,<script>parent.ran = 1</script>"></iframe>
<form action="http://127.0.0.1:9/" id="form"><input name="x"></form>
<base href="http://127.0.0.1:9/">
"""


def opened(page: Page, file: Path) -> None:
    """Open a page into which a stranger has put elements, and submit the form."""
    file.write_text(file.read_text().replace("</body>", f"{SMUGGLED}</body>"))
    page.open(file)
    page.run("document.getElementById('form').submit()")
    page.frame()


def check(page: Page) -> None:
    assert page.run("window.ran") is None
    refused = [error for error in page.errors if "Content Security Policy" in error]
    assert len(refused) >= 5, page.errors
    sent = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert page.run("location.protocol") == "file:"
    assert (
        page.run("[...document.images].some((i) => i.src.startsWith('http') && i.naturalWidth)")
        is False
    )
    assert all("127.0.0.1" in url for url in sent), sent


def test_the_search_page(tmp_path: Path, chromium: Page) -> None:
    photo = save(tmp_path / "photo.png", picture(1))
    file = tmp_path / "page.html"
    file.write_text(search_page([QueryMatches(str(photo), (Match(1, photo, 1.0),))]))
    with chromium.another() as page:
        opened(page, file)
        check(page)
        assert page.run("document.images[0].naturalWidth > 0"), "its own pictures are shown"


def test_the_map_runs_its_own_script(tmp_path: Path, chromium: Page) -> None:
    index = index_of_pictures(tmp_path)
    save_random_map(index)
    file = tmp_path / "map.html"
    write_map_page(map_index(index), file)
    with chromium.another() as page:
        opened(page, file)
        check(page)
        assert page.run("document.getElementById('title').textContent").startswith("Map of"), (
            page.errors
        )
