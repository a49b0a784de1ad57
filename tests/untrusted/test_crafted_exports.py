"""Exports and lists of paths that a stranger crafted: one clear error, or no harm."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import embedtool_here
from support.exports import fill_index
from untrusted.audit import only_inside

from embedtool import export_index
from embedtool.store.reader import IndexReader

Craft = Callable[[Path], None]
DEEP = "[" * 100_000 + "]" * 100_000
ROWS = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in the format "npy" of an index of 20 vectors."""
    folder = tmp_path_factory.mktemp("whole")
    fill_index(folder / "ours", ROWS, {})
    export_index(folder / "ours", folder / "npy", format="npy")
    return folder / "npy"


def card(**changes: Any) -> Craft:
    def craft(folder: Path) -> None:
        file = folder / "embedtool.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return craft


def image(**changes: Any) -> Craft:
    """Change the third image."""

    def craft(folder: Path) -> None:
        lines = (folder / "images.jsonl").read_text().splitlines()
        lines[2] = json.dumps(json.loads(lines[2]) | changes)
        (folder / "images.jsonl").write_text("\n".join(lines) + "\n")

    return craft


def text(name: str, content: str | bytes) -> Craft:
    def craft(folder: Path) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)

    return craft


def pipe(name: str) -> Craft:
    def craft(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return craft


def link(name: str, target: str) -> Craft:
    def craft(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return craft


def header(described: str) -> Craft:
    """Replace the header of the array by another one of the same length."""

    def craft(folder: Path) -> None:
        data = (folder / "vectors.npy").read_bytes()
        length = int.from_bytes(data[8:10], "little")
        changed = described.encode().ljust(length - 1) + b"\n"
        (folder / "vectors.npy").write_bytes(data[:10] + changed + data[10 + length :])

    return craft


REFUSED: dict[str, Craft] = {
    "card: deep": text("embedtool.json", DEEP),
    "card: a pipe": pipe("embedtool.json"),
    "card: a device": link("embedtool.json", "/dev/zero"),
    "card: dim of 2**62": card(dim=1 << 62),
    "card: dim is a list": card(dim=[1]),
    "card: another recipe": card(recipe={}),
    "card: training images are no base64": card(training_images="!"),
    "card: another network": card(fingerprint="0" * 64),
    "images: deep": text("images.jsonl", f"{DEEP}\n" * ROWS),
    "images: no line break": text("images.jsonl", b"x" * (3 << 20)),
    "images: a pipe": pipe("images.jsonl"),
    "images: a device": link("images.jsonl", "/dev/zero"),
    "images: a NUL": image(path="a\0b"),
    "images: an empty path": image(path=""),
    "images: a path that is no text": image(path=["a"]),
    "images: a lone surrogate": image(path="\ud800"),
    "images: a size of 2**70": image(size=1 << 70),
    "images: a size that is infinite": image(size=float("inf")),
    "images: another digest": image(sha256="00"),
    "images: a digest that is no text": image(sha256=7),
    "vectors: a pipe": pipe("vectors.npy"),
    "vectors: a device": link("vectors.npy", "/dev/zero"),
    "vectors: objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (20, 49), }"),
    "vectors: too many": header("{'descr': '<f2', 'fortran_order': False, 'shape': (1<<60, 49)}"),
    "vectors: 2**62 rows": header(
        f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({1 << 62}, 49), }}"
    ),
    "vectors: code": header("__import__('os').system('touch ran')"),
    "vectors: cut off": lambda folder: os.truncate(folder / "vectors.npy", 500),
    "vectors: NaN": lambda folder: np.save(folder / "vectors.npy", np.full((20, 49), np.nan)),
    "vectors: zero": lambda folder: np.save(folder / "vectors.npy", np.zeros((20, 49))),
}


def twice(folder: Path) -> None:
    lines = (folder / "images.jsonl").read_text().splitlines()
    (folder / "images.jsonl").write_text("\n".join([*lines[:3], lines[2], *lines[4:]]) + "\n")


REFUSED["images: twice the same path"] = twice
HARMLESS: dict[str, Craft] = {
    "a path upwards": image(path="../../etc/passwd", root="/r"),
    "a path of a device": image(path="/dev/zero", root="/dev"),
    "a root that is no folder": image(root="no/../folder"),
    "a negative size": image(size=-1, mtime_ns=-1),
    "a model that is a program": card(model="https://example.com/model"),
    "a model of another index": card(model="../../model"),
    "files of others": card(
        files=["vectors.npy", "images.jsonl", "paths.txt", "../outside/photo.jpg", "mine.jpg"]
    ),
}


@pytest.fixture
def place(tmp_path: Path, whole: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "photo.jpg").write_bytes(b"the only copy")
    shutil.copytree(whole, tmp_path / "npy")
    return tmp_path


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_ours_is_refused_in_one_line(case: str, place: Path) -> None:
    REFUSED[case](place / "npy")
    (place / "made").mkdir()
    with only_inside(place / "made"):
        done = embedtool_here("import", place / "npy", "--index", place / "made" / "index")
    assert done.code in (1, 2, 3) and done.out == "", done.err
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert not any((place / "made").iterdir())


@pytest.mark.parametrize("case", HARMLESS)
def test_names_of_elsewhere_are_only_names(case: str, place: Path) -> None:
    HARMLESS[case](place / "npy")
    (place / "made").mkdir()
    index = place / "made" / "index"
    with only_inside(place / "made"):
        done = embedtool_here("import", place / "npy", "--index", index, "--json")
        assert done.code == 0, done.err
        assert embedtool_here("verify", index).code == 0
        assert embedtool_here("search", index, "--row", 3).code == 0
        html = place / "made" / "page.html"
        assert embedtool_here("search", index, "--row", 3, "--html", html).code == 0
        assert (
            embedtool_here("export", index, "--to", place / "made" / "n", "--format", "npy").code
            == 0
        )
    with IndexReader(index) as opened:
        assert opened.counts()["images"] == ROWS
        assert not any(b".." in row.path.split(b"/") for row in opened.rows())
    assert (place / "outside" / "photo.jpg").read_bytes() == b"the only copy"


def test_an_export_replaces_no_photo_though_a_card_names_it(place: Path) -> None:
    names = [path.name for path in (place / "npy").iterdir()]
    card(files=[*names, "mine.jpg"])(place / "npy")
    (place / "npy" / "mine.jpg").write_bytes(b"the only copy")
    fill_index(place / "index", ROWS, {})
    done = embedtool_here("export", place / "index", "--to", place / "npy", "--format", "npy")
    assert done.code == 1, done.err
    assert (place / "npy" / "mine.jpg").read_bytes() == b"the only copy"


LISTS = {
    "no line break": (b"x" * (3 << 20), "a line of over"),
    "a NUL after each": (b"".join(b"%d\n\0" % n for n in range(ROWS)), None),
    "a device": (None, "regular file"),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_list_of_paths_has_lines(case: str, place: Path) -> None:
    content, message = LISTS[case]
    paths = place / "paths.txt"
    if content is None:
        paths.symlink_to("/dev/zero")
    else:
        paths.write_bytes(content)
    vectors = place / "npy" / "vectors.npy"
    done = embedtool_here("import", vectors, "--paths", paths, "--index", place / "index")
    assert done.code == (0 if message is None else 1), done.err
    assert (message or "") in done.err and "Traceback" not in done.err
