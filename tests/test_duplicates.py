"""Duplicates: groups that are no chains, what is kept, moves that can be undone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import embedtool
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from test_sync import make_index, run

from embedtool.deduplicate import find_duplicates
from embedtool.duplicates import star_groups
from embedtool.errors import UsageError
from embedtool.relocate import LOG, gather_duplicates, move_duplicates, plan_moves, undo_moves
from embedtool.report.duplicates_page import write_duplicates_page
from embedtool.types import Duplicates

ORIGINALS = ("city/city-01", "fish/fish-01", "flower/flower-01")


@given(st.lists(st.integers(0, 30), min_size=2, max_size=20, unique=True), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_every_member_is_near_its_hub_and_in_one_group(values: list[int], reach: int) -> None:
    places = np.array(values)
    near = np.abs(places[:, None] - places) <= reach
    one, other = np.nonzero(np.triu(near, 1))
    links = np.stack([one, other], 1).astype(np.int64)
    rank = np.arange(len(values))
    groups = star_groups(links, rank, lambda hub, others: near[hub, others])
    members = [int(item) for group in groups for item in group]
    assert len(members) == len(set(members))
    for hub, *others in (group.tolist() for group in groups):
        assert others and near[hub, others].all() and hub < min(others), "the best is the hub"
    alone = set(range(len(values))) - set(members)
    assert not any(near[a, b] for a in alone for b in alone if a != b)


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """The drawn pictures; of three a smaller, a coarser and a cropped version beside them."""
    folder = Path(shutil.copytree(drawn, tmp_path / "photos"))
    shutil.rmtree(folder / "brick wall")  # two of these are one wall, shifted: taken for crops
    (folder / "again").mkdir()
    for name in ORIGINALS:
        picture = Image.open(folder / f"{name}.jpg")
        stem = folder / "again" / Path(name).name
        picture.resize((160, 120)).save(f"{stem} small.png")
        picture.save(f"{stem} coarse.jpg", quality=50)
        ImageOps.crop(picture, 6).save(f"{stem} cropped.webp", quality=85)
    return folder


@pytest.fixture
def found(photos: Path, tmp_path: Path) -> Duplicates:
    make_index(tmp_path / "index")
    run(tmp_path / "index", photos)
    return find_duplicates(tmp_path / "index")


def test_the_versions_of_a_picture_and_nothing_else(found: Duplicates, photos: Path) -> None:
    near = {group.keep: group for group in found.groups if group.kind == "near-identical"}
    assert set(near) == {photos / f"{name}.jpg" for name in ORIGINALS}
    for keep, group in near.items():
        assert {path.name.removeprefix(keep.stem) for path in group.paths[1:]} == {
            " small.png", " coarse.jpg", " cropped.webp",
        }  # fmt: skip
        assert group.spare == group.paths[1:] and group.verified
        assert list(group.similarities) == sorted(group.similarities, reverse=True)
        assert group.reason.startswith("larger file, ") or group.reason.startswith("more pixels, ")
    [same] = [group for group in found.groups if group.kind == "identical"]
    assert {path.name for path in same.paths} == {"sunset-01.jpg", "copy of sunset-01.jpg"}
    assert same.similarity == 1 and len(same.spare) == 1


def test_a_reference_folder_is_kept(found: Duplicates, photos: Path) -> None:
    mirrored = find_duplicates(found.index, reference=photos / "again")
    assert {group.keep.parent for group in mirrored.groups} == {photos / "again"}
    assert {path for group in mirrored.groups for path in group.spare} == {
        photos / f"{name}.jpg" for name in ORIGINALS
    }
    assert {group.reason for group in mirrored.groups} == {"in the reference folder"}
    with pytest.raises(UsageError, match="holds none of them"):
        find_duplicates(found.index, reference=photos.parent / "elsewhere")


def test_similar_ones_are_told_apart_and_never_moved(found: Duplicates) -> None:
    wide = find_duplicates(found.index, min_similarity=0.97)
    similar = [group for group in wide.groups if group.kind == "similar"]
    assert similar and not any(group.spare for group in similar)
    assert min(s for group in similar for s in group.similarities) >= 0.97
    spare = {path for group in wide.groups for path in group.spare}
    assert not spare & {path for group in similar for path in group.paths}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(LOG)
    }


def test_a_move_is_undone(found: Duplicates, photos: Path, tmp_path: Path) -> None:
    before, away = files(photos), tmp_path / "away"
    planned = plan_moves(found, away)
    assert files(photos) == before and len(planned) == 10
    (away / "again").mkdir(parents=True)
    (away / "again" / "city-01 small.png").write_bytes(b"of the user")
    moved = move_duplicates(found, away)
    assert {source for source, _ in moved} == {source for source, _ in planned}
    assert all(group.keep.is_file() for group in found.groups)
    assert (away / "again" / "city-01 small.png").read_bytes() == b"of the user"
    assert len(files(photos)) == len(before) - 10
    back, left = undo_moves(away / LOG)
    assert len(back) == 10 and left == [] and files(photos) == before
    with pytest.raises(UsageError, match="outside the indexed photos"):
        plan_moves(found, photos / "spare")


KILLED = """
import os, signal, sys
from embedtool import relocate
from embedtool.deduplicate import find_duplicates
real, left = relocate._move, [int(sys.argv[3])]
def move(source, place):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, place)
relocate._move = move
relocate.move_duplicates(find_duplicates(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("moves", [0, 4])
def test_a_killed_move_is_undone(
    found: Duplicates, photos: Path, tmp_path: Path, moves: int
) -> None:
    before, away = files(photos), tmp_path / "away"
    line = [sys.executable, "-c", KILLED, found.index, away, moves]
    assert subprocess.run(list(map(str, line)), check=False).returncode == -signal.SIGKILL
    assert len(files(away)) == moves
    back, left = undo_moves(away / LOG)
    assert len(back) == moves and left == [] and files(photos) == before


def test_groups_are_gathered(found: Duplicates, tmp_path: Path) -> None:
    for copy in (False, True):
        folders = gather_duplicates(found, tmp_path / f"gathered {copy}", copy=copy)
        assert len(folders) == 4
        for folder, group in zip(folders, found.groups, strict=True):
            inside = sorted(folder.iterdir())
            assert [p.read_bytes() for p in inside] == [p.read_bytes() for p in group.paths]
            assert {p.is_symlink() for p in inside} == {not copy}


def test_the_command(found: Duplicates, photos: Path, tmp_path: Path) -> None:
    page, away = tmp_path / "page.html", tmp_path / "away"
    groups = json.loads(embedtool("duplicates", found.index, "--json").out)["groups"]
    assert [g["kind"] for g in groups] == ["identical", *["near-identical"] * 3]
    assert {"kind", "similarity", "keep", "paths"} <= groups[0].keys()
    done = embedtool("duplicates", found.index, "--move", away, "--dry-run", "--html", page)
    assert done.code == 0 and len(done.out.splitlines()) == 10 and not away.exists()
    assert page.read_text().count("data:image/jpeg;base64,") == 14
    assert embedtool("duplicates", found.index, "--move", away).code == 0
    assert embedtool("duplicates", "--undo", away / LOG).code == 0
    assert embedtool("duplicates", found.index, "--link", away, "--copy", away).code == 2
    os.rename(photos / "again", tmp_path / "gone")
    gone = find_duplicates(found.index)
    assert any("files are gone" in note for note in gone.notes)
    write_duplicates_page(gone, page)


def test_an_empty_index_is_one_sentence(tmp_path: Path) -> None:
    make_index(tmp_path / "index")
    with pytest.raises(UsageError, match="holds no image"):
        find_duplicates(tmp_path / "index")
