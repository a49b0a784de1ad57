"""The page of duplicates: groups, what to keep, files that are gone."""

import re
from pathlib import Path

from support.pictures import save, scene

from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.report.duplicates_page import duplicates_page


def test_the_page_is_one_file_and_escapes_names(tmp_path: Path) -> None:
    one = save(tmp_path / "<b>&.jpg", scene(1))
    gone = tmp_path / "gone.jpg"
    group = DuplicateGroup(
        "near-identical", one, "a > b", (one, gone), (1.0, 0.9), (), False, ("", "")
    )
    page = duplicates_page(Duplicates(tmp_path / "i", (tmp_path,), 2, (group,), ("a note",)))
    assert "<title>1 near-identical group among 2 images</title>" in page
    assert page.count("data:image/jpeg;base64,") == 1 and "the file is gone" in page
    assert "&lt;b&gt;&amp;.jpg" in page and "<b>&.jpg" not in page
    assert "<b>keep</b>: a &gt; b" in page and "<b>0.900</b>" in page
    assert "a file is gone" in page and "a note" in page
    assert not re.search(r'(src|href)="http', page)
