"""The map: laid out once, new images placed one by one, shown in a page and a picture."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import embedtool, encoded, picture
from PIL import Image
from test_sync import make_index, run

from embedtool.errors import UsageError
from embedtool.mapping import map_index
from embedtool.maps import Map
from embedtool.report.map_page import write_map_page
from embedtool.report.map_png import write_map_png

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HEADLESS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,700",
    "--virtual-time-budget=3000",
    "--enable-logging=stderr",
    "--dump-dom",
]


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


PROBE = """
window.faults = []; addEventListener("error", (e) => faults.push(e.message));
setTimeout(() => {
  draw();
  const dots = new Uint8Array(4 * canvas.width * canvas.height);
  gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, dots);
  let inked = 0;
  for (let p = 3; p < dots.length; p += 4) inked += dots[p] > 0;
  const [x, y] = toScreen(7);
  const over = (t) => canvas.dispatchEvent(new PointerEvent(t, { clientX: x, clientY: y }));
  over("pointermove");
  const card = $("card").textContent;
  const half = toMap(wide / 2, 0)[0];
  choose([[-1e5, -1e5], [wide / 2, -1e5], [wide / 2, 1e5], [-1e5, 1e5]]);
  const left = [...Array(n).keys()].filter((i) => xy[2 * i] < half).map(path);
  const lasso = $("list").value.split("\\n"), many = $("many").textContent;
  choose([]);
  $("search").value = "/12.PNG"; $("search").dispatchEvent(new Event("input"));
  document.title = JSON.stringify({ inked, card, hit: path(7), left, lasso, many,
    found: $("count").textContent, faults, evil: window.evil || 0, odd: address(n - 1) });
}, 1000);
"""


def test_the_page_works_in_a_browser_without_a_network(index: Path, tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("needs a Chromium, which this machine does not have")
    evil = b"</script><script>window.evil=1<" + b"\xff&'\"`.png"
    folder = tmp_path / "photos" / "z"
    folder.mkdir()
    # A slash ends a name: the closing tag's own is the folder's.
    head, tail = evil.split(b"/", 1)
    (folder / head.decode()).mkdir()
    (Path(str(folder / head.decode())) / tail.decode("utf-8", "surrogateescape")).write_bytes(
        encoded(picture(99), "PNG")
    )
    run(index, tmp_path / "photos")
    page = tmp_path / "map.html"
    write_map_page(map_index(index, anew=True), page)
    text = page.read_text()
    assert not re.search(r"https?://", text)
    page.write_text(text.replace("</script></body>", PROBE + "</script></body>"))
    done = subprocess.run(
        [BROWSER, *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    console = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    assert console == []
    title = re.search(r"<title>(.*?)</title>", done.stdout.decode())
    assert title
    said = json.loads(html.unescape(title[1]))
    assert 41 * 20 < said["inked"] < 41 * 400, "41 points of some 14 pixels across"
    assert said["hit"] in said["card"]
    assert said["lasso"] == said["left"] and said["many"] == f"{len(said['left'])} selected"
    assert said["found"] == "1 of 41 images"
    assert said["faults"] == [] and said["evil"] == 0
    assert said["odd"].endswith("evil%3D1%3C%ff%26'%22%60.png")
