"""The map: laid out once, new images placed one by one, shown in a page and a picture."""

import csv
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.browser import SHIFT, Page
from support.command import embedtool
from support.indexes import make_index, run
from support.labelled import clouds, labelled_index
from support.labelled import make_index as labelled
from support.pictures import encoded, picture, save

import embedtool as package
from embedtool.errors import UsageError
from embedtool.explore.map import map_index
from embedtool.explore.map_dates import dated, thumbnails_of
from embedtool.explore.map_file import Map
from embedtool.report.map_groups import map_groups
from embedtool.report.map_page import write_map_page
from embedtool.report.map_png import write_map_png


def add(folder: Path, seeds: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))


def by_name(found: Map) -> dict[str, bytes]:
    return {p.name: xy.tobytes() for p, xy in zip(found.paths, found.coordinates, strict=True)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    add(tmp_path / "photos" / "a", range(40))
    make_index(tmp_path / "index")
    run(tmp_path / "index", tmp_path / "photos")
    return tmp_path / "index"


def test_placed_one_at_a_time_or_in_another_order_they_stand_in_one_place(
    index: Path, tmp_path: Path
) -> None:
    before = by_name(map_index(index))
    other = Path(shutil.copytree(index, tmp_path / "other"))
    photos = tmp_path / "photos"
    add(photos / "b", range(100, 108))
    run(index, photos)
    together = map_index(index)
    assert together.placed.sum() == 8 and "8 new placed" in together.notes[0]
    shutil.rmtree(photos / "b")
    for seed in reversed(range(100, 108)):
        add(photos / "b", [seed])
        run(other, photos)
        alone = map_index(other)
    assert by_name(alone) == by_name(together)
    assert before.items() <= by_name(together).items(), "old ones stay where they were"


def test_equal_vectors_are_placed_alike_and_alone(index: Path, tmp_path: Path) -> None:
    flat = tmp_path / "photos" / "flat"
    flat.mkdir()
    for number in range(45):  # other bytes, one colour: more equal neighbours than candidates
        Image.new("RGB", (40, 40 + number), "teal").save(flat / f"f{number}.png")
    run(index, tmp_path / "photos")
    map_index(index, anew=True)
    Image.new("RGB", (99, 9), "teal").save(flat / "one.png")
    run(index, tmp_path / "photos")
    one = by_name(map_index(index))["one.png"]
    Image.new("RGB", (98, 9), "teal").save(flat / "two.png")
    run(index, tmp_path / "photos")
    both = by_name(map_index(index))
    assert both["one.png"] == one == both["two.png"]


def test_it_is_laid_out_again_only_when_asked_or_outgrown(index: Path, tmp_path: Path) -> None:
    first = map_index(index)
    assert by_name(map_index(index)) == by_name(first)
    assert by_name(map_index(index, anew=True)) == by_name(first), "one seed, one map"
    assert by_name(map_index(index, seed=3)) != by_name(first)
    assert map_index(index).seed == 3
    [file] = (index / "derived").glob("map-*.npz")
    file.write_bytes(b"broken")
    assert by_name(map_index(index, seed=0)) == by_name(first)
    add(tmp_path / "photos" / "b", range(100, 150))
    run(index, tmp_path / "photos")
    grown = map_index(index)
    assert not grown.placed.any() and "laid out again" in grown.notes[0]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_have_a_map(count: int, tmp_path: Path) -> None:
    add(tmp_path / "photos", range(count))
    make_index(tmp_path / "index")
    run(tmp_path / "index", tmp_path / "photos")
    found = map_index(tmp_path / "index")
    assert found.coordinates.shape == (count, 2) and np.isfinite(found.coordinates).all()
    write_map_png(found, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.size == (1560, 1200)


def test_no_image_and_bad_settings_are_one_sentence(index: Path, tmp_path: Path) -> None:
    make_index(tmp_path / "empty")
    with pytest.raises(UsageError, match="holds no image"):
        map_index(tmp_path / "empty")
    with pytest.raises(UsageError, match="at least 2 neighbours"):
        map_index(index, neighbours=1)
    with pytest.raises(UsageError, match="has no clusters yet"):
        write_map_png(map_index(index), tmp_path / "map.png", colour_by="cluster")


def test_the_command_tells_points(index: Path) -> None:
    done = embedtool("map", index, "--json")
    told = json.loads(done.out)
    assert done.code == 0 and len(told["points"]) == 40 and told["placed"] == 0
    assert set(told["points"][0]) == {"path", "x", "y", "cluster", "label"}


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Path, Path]:
    """An index of vectors of three classes, 60 of each, and a probe of them."""
    index = labelled_index(tmp_path / "made", 180)
    package.train_probe(index, tmp_path / "probe")
    return index, tmp_path / "probe"


def predicted(index: Path, probe: Path) -> package.Map:
    """The map of an index with what a probe predicts for its images."""
    images = package.predict_images(index, probe).images
    return map_index(index).with_predictions(
        [one.path for one in images],
        [one.likeliest for one in images],
        [one.probability for one in images],
    )


def test_predictions_for_other_images_are_refused(asked: tuple[Path, Path]) -> None:
    found = map_index(asked[0])
    with pytest.raises(UsageError, match="expected predictions for the 180 images"):
        found.with_predictions(found.paths[::-1], ["a"] * 180, [1.0] * 180)


def test_a_probe_colours_the_map_by_what_it_predicts(
    asked: tuple[Path, Path], tmp_path: Path
) -> None:
    index, probe = asked
    found = predicted(index, probe)
    said = package.predict_images(index, probe)
    assert found.predictions == tuple(one.likeliest for one in said.images)
    assert found.probabilities == pytest.approx([one.probability for one in said.images])
    done = embedtool("map", index, "--probe", probe, "--json", "--to", tmp_path / "map.csv")
    points = json.loads(done.out)["points"]
    assert [(p["prediction"], p["probability"]) for p in points] == [
        (one.likeliest, pytest.approx(one.probability)) for one in said.images
    ]
    with open(tmp_path / "map.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == [
        *("path", "projection_x", "projection_y", "cluster", "label", "prediction", "probability")
    ]
    assert [line["prediction"] for line in lines] == list(found.predictions)


def test_what_a_probe_doubts_is_pale(asked: tuple[Path, Path], tmp_path: Path) -> None:
    index, probe = asked
    found = predicted(index, probe)
    doubtful = replace(found, probabilities=np.zeros(180, np.float32))
    drawn = []
    for one in (found, doubtful):
        write_map_png(one, tmp_path / "map.png")  # by prediction, since a probe was asked
        with Image.open(tmp_path / "map.png") as picture:
            drawn.append(np.asarray(picture.convert("L"), np.float64)[:, :1200])
    ink, less = ((255 - one[100:]).sum() for one in drawn)
    assert 0.2 < less / ink < 0.35, "a quarter of the colour is left"


def test_it_is_coloured_by_when_photos_were_taken(index: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for seed in range(200, 206):
        exif = Image.Exif()
        exif[0x8769] = {0x9003: f"2019:07:{seed - 195:02d} 23:59:59"}
        save(photos / "b" / f"{seed}.jpg", picture(seed), exif=exif)
    for seed in range(40):
        os.utime(photos / "a" / f"{seed}.png", (1_600_000_000, 1_600_000_000))
    run(index, photos)
    found = map_index(index)
    groups = map_groups(dated(found, thumbnails_of(found, None)), "date")
    days = {f"2019-07-{day:02d}": 1 for day in range(5, 11)} | {"2020-09-13": 40}
    assert dict(zip(groups.names, groups.counts, strict=True)) == days
    pages = []
    for target in (photos, tmp_path / "moved"):  # what was read once is known without the photos
        if target != photos:
            photos.rename(target)
        write_map_png(map_index(index), tmp_path / "map.png", colour_by="date")
        pages.append((tmp_path / "map.png").read_bytes())
    assert pages[0] == pages[1]


def test_a_probe_of_another_model_is_refused_before_anything_is_laid_out(
    asked: tuple[Path, Path], tmp_path: Path
) -> None:
    rows, _ = clouds(1, 30, 3, 16, 1)
    other = labelled(tmp_path / "other", rows, [f"a/{i}.jpg" for i in range(30)], model="other")
    done = embedtool("map", other, "--probe", asked[1])
    assert done.code == 5 and "Train one for them" in done.err
    assert not list((other / "derived").glob("map*"))
    with pytest.raises(UsageError, match="expected a probe to colour by"):
        write_map_png(map_index(asked[0]), tmp_path / "map.png", colour_by="prediction")


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
        assert page.faults == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in page.requests)


def opened(page: Page, found: Map, **device: object) -> None:
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
    told = page.run("$('card').textContent")
    assert str(found.paths[7]) in told and "label: a" in told
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
    way = [(middle, 5), (middle, 695), (321, 695), (321, 5)]  # beside the panel, before the points
    page.drag(way, modifiers=SHIFT)
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
    assert page.run("shown.length") > 0, "pictures stand where there is room"
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
    add(tmp_path / "photos" / "b", range(100, 104))
    run(index, tmp_path / "photos")
    opened(page, map_index(index, anew=True))
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
    page.run(
        f"way = {{ ...way, names: {many}('a'), counts: {many}(3), colours: {many}('#0072b2') }}; 0"
    )
    page.run("paint()")
    page.run("legend()")
    assert page.run("$('legend').children.length") == 501
    assert page.run("$('legend').lastChild.textContent") == "and 700 more"


def test_on_a_dark_page_dark_groups_are_lifted(tmp_path: Path, page: Page) -> None:
    for number in range(8):
        add(tmp_path / "photos" / str(number), [number])
    make_index(tmp_path / "index")
    run(tmp_path / "index", tmp_path / "photos")
    opened(page, map_index(tmp_path / "index"))
    assert page.run("seen[7]") == "rgb(0,68,107)"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page("Emulation.setEmulatedMedia", features=[dark])
    page.frame()
    assert page.run("seen[7]") == "rgb(85,130,156)"
    assert page.run("[...colours.slice(28, 31)]") in ([85, 130, 156], [0, 114, 178])
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 20, 20)"
    assert page.run(INKED)[1] >= 8


def test_without_the_photos_it_says_so(index: Path, tmp_path: Path, page: Page) -> None:
    shutil.rmtree(tmp_path / "photos")
    opened(page, map_index(index))
    assert (
        page.run("$('notes').textContent") == "40 images cannot be read now and have no thumbnail"
    )
    page.mouse("Moved", *place(page, 7))
    page.frame()
    assert "no picture at hand" in page.run("$('card').textContent")


def test_predictions_stand_in_the_card_and_the_legend(asked: tuple[Path, Path], page: Page) -> None:
    found = predicted(*asked)
    opened(page, found)
    assert page.run("way.name") == "prediction"
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
    opened(page, map_index(index, anew=True))
    assert page.run("window.evil === undefined && document.scripts.length") == 2
    assert page.run("address(n - 1)").endswith("evil%3D1%3C%ff%26'%22%60.png")
    page.mouse("Moved", *place(page, 40))
    page.frame()
    assert "window.evil=1<\ufffd&'\"`.png" in page.run("$('card').textContent")
