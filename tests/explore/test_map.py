"""The map: laid out once, new images placed one by one, shown in a page and a picture."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import embedtool_here as embedtool
from support.indexes import make_index, run
from support.labelled import clouds
from support.labelled import make_index as labelled
from support.maps import add_pictures, index_of_pictures, predicted, probed_index
from support.pictures import picture, save

import embedtool as package
from embedtool import map_index
from embedtool.errors import UsageError
from embedtool.explore.map_dates import dated, thumbnails_of
from embedtool.explore.results import Map
from embedtool.report.map_groups import map_groups
from embedtool.report.map_png import write_map_png


def by_name(found: Map) -> dict[str, bytes]:
    return {p.name: xy.tobytes() for p, xy in zip(found.paths, found.coordinates, strict=True)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return index_of_pictures(tmp_path)


def test_placed_one_at_a_time_or_in_another_order_they_stand_in_one_place(
    index: Path, tmp_path: Path
) -> None:
    before = by_name(map_index(index))
    other = Path(shutil.copytree(index, tmp_path / "other"))
    photos = tmp_path / "photos"
    add_pictures(photos / "b", range(100, 108))
    run(index, photos)
    together = map_index(index)
    assert together.placed.sum() == 8 and "8 new images were placed" in together.notes[0]
    shutil.rmtree(photos / "b")
    for seed in reversed(range(100, 108)):
        add_pictures(photos / "b", [seed])
        run(other, photos)
        alone = map_index(other)
    assert by_name(alone) == by_name(together)
    assert before.items() <= by_name(together).items(), "old ones stay where they were"


def test_equal_vectors_are_placed_at_one_point(index: Path, tmp_path: Path) -> None:
    flat = tmp_path / "photos" / "flat"
    flat.mkdir()
    for number in range(45):  # other bytes, one colour: more equal neighbours than candidates
        Image.new("RGB", (40, 40 + number), "teal").save(flat / f"f{number}.png")
    run(index, tmp_path / "photos")
    map_index(index, rebuild=True)
    Image.new("RGB", (99, 9), "teal").save(flat / "one.png")
    run(index, tmp_path / "photos")
    one = by_name(map_index(index))["one.png"]
    Image.new("RGB", (98, 9), "teal").save(flat / "two.png")
    run(index, tmp_path / "photos")
    both = by_name(map_index(index))
    assert both["one.png"] == one == both["two.png"]


def test_it_is_laid_out_again_only_on_request_or_when_outgrown(index: Path, tmp_path: Path) -> None:
    first = map_index(index)
    assert by_name(map_index(index)) == by_name(first)
    assert by_name(map_index(index, rebuild=True)) == by_name(first), "one seed, one map"
    assert by_name(map_index(index, seed=3)) != by_name(first)
    assert map_index(index).seed == 3
    [file] = (index / "derived").glob("map-*.npz")
    file.write_bytes(b"broken")
    assert by_name(map_index(index, seed=0)) == by_name(first)
    add_pictures(tmp_path / "photos" / "b", range(100, 150))
    run(index, tmp_path / "photos")
    grown = map_index(index)
    assert not grown.placed.any() and "computed again" in grown.notes[0]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_have_a_map(count: int, tmp_path: Path) -> None:
    add_pictures(tmp_path / "photos", range(count))
    make_index(tmp_path / "index")
    run(tmp_path / "index", tmp_path / "photos")
    found = map_index(tmp_path / "index")
    assert found.coordinates.shape == (count, 2) and np.isfinite(found.coordinates).all()
    write_map_png(found, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.size == (1560, 1200)


def test_no_image_and_bad_settings_are_one_sentence(index: Path, tmp_path: Path) -> None:
    make_index(tmp_path / "empty")
    with pytest.raises(UsageError, match="holds no images"):
        map_index(tmp_path / "empty")
    with pytest.raises(UsageError, match="at least 2 neighbours"):
        map_index(index, neighbours=1)
    with pytest.raises(UsageError, match="expected clusters to colour by"):
        write_map_png(map_index(index), tmp_path / "map.png", colour_by="cluster")


@pytest.mark.slow
def test_the_command_prints_points(index: Path) -> None:
    done = embedtool("map", index, "--json")
    printed = json.loads(done.out)
    assert done.code == 0 and len(printed["points"]) == 40 and printed["placed"] == 0
    assert set(printed["points"][0]) == {"path", "x", "y", "cluster", "label"}


@pytest.fixture
def probed(tmp_path: Path) -> tuple[Path, Path]:
    return probed_index(tmp_path)


def test_predictions_for_other_images_are_refused(probed: tuple[Path, Path]) -> None:
    found = map_index(probed[0])
    with pytest.raises(UsageError, match="expected predictions for the 180 images"):
        found.with_predictions(found.paths[::-1], ["a"] * 180, [1.0] * 180)


def test_a_probe_colours_the_map_by_what_it_predicts(
    probed: tuple[Path, Path], tmp_path: Path
) -> None:
    index, probe = probed
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


def test_what_a_probe_doubts_is_pale(probed: tuple[Path, Path], tmp_path: Path) -> None:
    index, probe = probed
    found = predicted(index, probe)
    doubtful = replace(found, probabilities=np.zeros(180, np.float32))
    drawn = []
    for one in (found, doubtful):
        write_map_png(one, tmp_path / "map.png")  # by prediction, where there is one
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
    probed: tuple[Path, Path], tmp_path: Path
) -> None:
    rows, _ = clouds(1, 30, 3, 16, 1)
    other = labelled(tmp_path / "other", rows, [f"a/{i}.jpg" for i in range(30)], model="other")
    done = embedtool("map", other, "--probe", probed[1])
    assert done.code == 5 and "Train a probe for this index" in done.err
    assert not list((other / "derived").glob("map*"))
    with pytest.raises(UsageError, match="colouring by prediction needs a probe"):
        write_map_png(map_index(probed[0]), tmp_path / "map.png", colour_by="prediction")
