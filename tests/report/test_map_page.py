"""The page of a map in a browser: points, lasso, zoom, touch, search, legend, themes."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import SHIFT, Page
from support.indexes import make_index, run
from support.maps import (
    add_pictures,
    index_of_pictures,
    predicted,
    probed_index,
    save_random_map,
)
from support.pictures import encoded, picture

from embedtool import map_index
from embedtool.explore.results import Map
from embedtool.report.map_page import write_map_page

pytestmark = pytest.mark.browser


@pytest.fixture
def index(tmp_path: Path) -> Path:
    index = index_of_pictures(tmp_path)
    save_random_map(index)
    return index


@pytest.fixture
def probed(tmp_path: Path) -> tuple[Path, Path]:
    index, probe = probed_index(tmp_path)
    save_random_map(index)
    return index, probe


INKED = """(() => {
  drawPoints(1);
  const dots = new Uint8Array(4 * canvas.width * canvas.height), colours = new Set();
  gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, dots);
  let inked = 0;
  for (let p = 0; p < dots.length; p += 4) if (dots[p + 3] > 200) { inked++; colours.add(dots[p]); }
  return [inked, colours.size];
})()"""


@pytest.fixture
def page(chromium: Page) -> Iterator[Page]:
    with chromium.another() as page:
        yield page
        assert page.errors == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in page.requests)


def opened(page: Page, found: Map, **device: Any) -> None:
    """The page of a map, its points drawn."""
    file = found.index.parent / "map.html"
    write_map_page(found, file)
    assert not re.search(r"https?://", file.read_text())
    page.open(file, **device)
    page.frame()


def place(page: Page, i: int) -> tuple[float, float]:
    x, y = page.run(f"toScreen({i})")
    return x, y


def test_points_are_drawn_and_one_under_the_pointer_tells_itself(index: Path, page: Page) -> None:
    found = map_index(index)
    opened(page, found)
    inked, _ = page.run(INKED)
    assert 40 * 20 < inked < 40 * 400, "40 points of some 14 pixels across"
    assert page.run("$('card').hidden")
    page.mouse("Moved", *place(page, 7))
    page.frame()
    card = page.run("$('card').textContent")
    assert str(found.paths[7]) in card and "label: a" in card
    assert page.run("$('card').querySelector('img').naturalWidth") > 0
    page.mouse("Moved", 990, 690)
    page.frame()
    assert page.run("$('card').hidden")
    page.click(*place(page, 7))
    assert str(found.paths[7]) in page.run("$('pin').textContent")
    page.wait("$('pin').querySelector('img').src.startsWith('file:')")


def test_the_lasso_takes_what_it_was_drawn_round(index: Path, page: Page) -> None:
    found = map_index(index)
    opened(page, found)
    half = np.median(found.coordinates[:, 0])
    inside = [str(p) for p, (x, _) in zip(found.paths, found.coordinates, strict=True) if x < half]
    middle = page.run(f"wide / 2 + ({half} - middle[0]) * scale")
    path = [(middle, 5), (middle, 695), (321, 695), (321, 5)]  # beside the panel, before the points
    page.drag(path, modifiers=SHIFT)
    assert page.run("$('list').value").split("\n") == inside
    assert page.run("$('many').textContent") == f"{len(inside)} selected"
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    page("Browser.grantPermissions", permissions=allowed, browserContextId=page.context)
    page.click(*page.run("(({x, y}) => [x + 9, y + 9])($('copy').getBoundingClientRect())"))
    page.wait("$('many').textContent.includes('copied')")
    assert page.run("navigator.clipboard.readText()").split("\n") == inside
    page.keys("Escape")
    assert page.run("$('chosen').hidden")


def test_the_wheel_zooms_and_a_drag_moves(index: Path, page: Page) -> None:
    opened(page, map_index(index))
    before, x, y = page.run("scale"), *place(page, 3)
    page.mouse("Wheel", x, y, deltaX=0, deltaY=-400)
    page.frame()
    assert page.run("scale") == pytest.approx(before * np.exp(0.6))
    assert place(page, 3) == pytest.approx((x, y), abs=1), "what is under the pointer stays"
    x, y = place(page, 3)
    page.drag([(600, 400), (620, 390), (650, 380)])
    assert place(page, 3) == pytest.approx((x + 50, y - 20), abs=0.01)
    assert page.run("shown.length") > 0, "pictures stand where there is space"
    at = page.run("shown.at(-1)")
    page.mouse("Moved", at["x"] + at["w"] / 2 - 1, at["y"] + at["h"] / 2 - 1)
    page.frame()
    assert page.run("hovered") == at["i"], "a picture is pointed at as far as it reaches"


def test_fingers_move_pinch_and_tap(index: Path, page: Page) -> None:
    page("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    opened(page, map_index(index), width=800, height=600, mobile=True)
    x, y = place(page, 3)
    page.touch([(500, 300), (520, 300), (540, 320)])
    assert place(page, 3) == pytest.approx((x + 40, y + 20), abs=0.01)
    scale = page.run("scale")
    page.touch([(450, 300), (425, 300), (400, 300)], [(550, 300), (575, 300), (600, 300)])
    assert page.run("scale") == pytest.approx(2 * scale)
    page.run("fit()")
    page.frame()
    assert page.run("pinned") == -1, "neither was a tap"
    page.touch([place(page, 3)])
    assert page.run("pinned") == 3
    page.click(*page.run("(({x, y}) => [x + 9, y + 9])($('lasso').getBoundingClientRect())"))
    page.touch([(330, 10), (790, 10), (790, 590), (330, 590)])
    assert page.run("picked.length") == 40


def test_search_and_legend_light_what_they_name(index: Path, tmp_path: Path, page: Page) -> None:
    add_pictures(tmp_path / "photos" / "b", range(100, 104))
    run(index, tmp_path / "photos")
    opened(page, map_index(index))
    assert page.run("$('count').textContent") == "44 images"
    page.run("$('search').focus()")
    page.keys(*"/12.PNG")
    assert page.run("$('count').textContent") == "1 of 44 images"
    page.keys(*["Backspace"] * 7)
    assert page.run("$('count').textContent") == "44 images"
    said = page.run("[...$('legend').children].map((e) => e.textContent)")
    assert said == ["a40", "b4"]
    page.run("$('legend').lastChild.firstChild.click()")
    assert page.run("$('count').textContent") == "4 of 44 images"


def test_a_legend_of_very_many_groups_is_cut_and_says_so(index: Path, page: Page) -> None:
    opened(page, map_index(index))
    many = "Array(1200).fill"
    groups = f"names: {many}('a'), counts: {many}(3), colours: {many}('#0072b2')"
    page.run(f"colouring = {{ ...colouring, {groups} }}; 0")
    page.run("paint()")
    page.run("legend()")
    assert page.run("$('legend').children.length") == 501
    assert page.run("$('legend').lastChild.textContent") == "and 700 more"


def test_on_a_dark_page_dark_groups_are_lifted(tmp_path: Path, page: Page) -> None:
    for number in range(8):
        add_pictures(tmp_path / "photos" / str(number), [number])
    make_index(tmp_path / "index")
    run(tmp_path / "index", tmp_path / "photos")
    save_random_map(tmp_path / "index")
    opened(page, map_index(tmp_path / "index"))
    assert page.run("seen[7]") == "rgb(0,68,107)"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page("Emulation.setEmulatedMedia", features=[dark])
    page.frame()
    assert page.run("seen[7]") == "rgb(85,130,156)"
    assert page.run("[...colours.slice(28, 31)]") in ([85, 130, 156], [0, 114, 178])
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 18)"
    assert page.run(INKED)[1] >= 8


def test_without_the_photos_it_says_so(index: Path, tmp_path: Path, page: Page) -> None:
    shutil.rmtree(tmp_path / "photos")
    opened(page, map_index(index))
    assert page.run("$('notes').textContent") == "40 images could not be read and have no thumbnail"
    page.mouse("Moved", *place(page, 7))
    page.frame()
    assert "no thumbnail" in page.run("$('card').textContent")


def test_predictions_stand_in_the_card_and_the_legend(
    probed: tuple[Path, Path], page: Page
) -> None:
    found = predicted(*probed)
    assert found.predictions is not None and found.probabilities is not None
    opened(page, found)
    assert page.run("colouring.name") == "prediction"
    ordered = sorted(Counter(found.predictions).items(), key=lambda one: (-one[1], one[0]))
    said = page.run("[...$('legend').children].map((e) => e.textContent)")
    assert said == [f"{name}{count}" for name, count in ordered]
    page.run("hover(5, 400, 300)")
    percent = round(100 * float(found.probabilities[5]))
    assert f"prediction: {found.predictions[5]} ({percent} %)" in page.run("$('card').textContent")
    assert page.run("colours[4 * 5 + 3]") == int(235 * (0.25 + 0.0075 * percent))


def test_a_name_is_never_markup(index: Path, tmp_path: Path, page: Page) -> None:
    evil = b"</script><script>window.evil=1<" + b"\xff&'\"`.png"
    # A slash ends a name: the closing tag's own is the folder's.
    head, tail = evil.split(b"/", 1)
    folder = tmp_path / "photos" / "z" / head.decode()
    folder.mkdir(parents=True)
    (folder / os.fsdecode(tail)).write_bytes(encoded(picture(99), "PNG"))
    run(index, tmp_path / "photos")
    opened(page, map_index(index))
    assert page.run("window.evil === undefined && document.scripts.length") == 2
    assert page.run("address(n - 1)").endswith("evil%3D1%3C%ff%26'%22%60.png")
    page.mouse("Moved", *place(page, 40))
    page.frame()
    assert "window.evil=1<\ufffd&'\"`.png" in page.run("$('card').textContent")
