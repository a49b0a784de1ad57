"""A crafted index ends in one clear error or is used without harm, whatever the command."""

import shutil
from pathlib import Path

import pytest
from support.command import Result, embedtool_here
from support.indexes import DIM, fill, make_index
from untrusted.audit import only_inside
from untrusted.crafted import FOUND, HARMLESS, REFUSED, Craft, meta

from embedtool.collection.inspect import doctor_index
from embedtool.errors import IndexDamaged
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader

READING = ("info", "rejects", "verify", "duplicates")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    index = tmp_path_factory.mktemp("whole") / "index"
    make_index(index)
    fill(index, 5)
    return index


class Place:
    """An index of a stranger beside a folder of the user's."""

    def __init__(self, folder: Path, whole: Path, craft: Craft) -> None:
        self.index = Path(shutil.copytree(whole, folder / "index"))
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "photo.jpg").write_bytes(b"the only copy")
        (self.outside / "000009.npy").write_bytes(b"of another index")
        craft(self.index, self.outside)
        self._before = self._files()

    def run(self, command: str, *arguments: object) -> Result:
        """Run a command on the index. It changes nothing outside, and says at most one line."""
        with only_inside(self.index):
            done = embedtool_here(command, self.index, *arguments)
        assert self._files() == self._before
        assert "Traceback" not in done.err
        return done

    def _files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.outside)): path.read_bytes()
            for path in self.outside.rglob("*")
            if path.is_file()
        }


def test_a_change_outside_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "index" / "link").symlink_to(tmp_path / "outside")
    for change in (
        (tmp_path / "x").touch,
        (tmp_path / "index" / "link" / "x").touch,
        (tmp_path / "x").unlink,
    ):
        with pytest.raises(AssertionError, match=str(tmp_path)), only_inside(tmp_path / "index"):
            change()
    with only_inside(tmp_path / "index"):
        (tmp_path / "index" / "x").touch()
        (tmp_path / "index" / "link").unlink()


@pytest.mark.parametrize("name", REFUSED)
def test_an_index_that_is_not_ours_is_refused(tmp_path: Path, whole: Path, name: str) -> None:
    place = Place(tmp_path, whole, REFUSED[name])
    for command in (*READING, "compact"):
        done = place.run(command)
        assert (done.code, done.out) == (3, ""), (command, done.err)
        assert done.err.startswith("error: index ") and "is damaged" in done.err
    done = embedtool_here("index", place.outside, "--index", place.index)
    assert done.code == 3, done.err
    assert place._files() == place._before


@pytest.mark.parametrize("name", FOUND)
def test_a_wrong_value_is_found(tmp_path: Path, whole: Path, name: str) -> None:
    place = Place(tmp_path, whole, FOUND[name])
    done = place.run("verify")
    assert done.code == 3, done.err
    ends = {command: place.run(command).code for command in (*READING, "compact")}
    ends["search"] = place.run("search", "--row", "1").code
    assert set(ends.values()) <= {0, 3}, ends


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_not_used_does_no_harm(tmp_path: Path, whole: Path, name: str) -> None:
    place = Place(tmp_path, whole, HARMLESS[name])
    assert [place.run(command).code for command in (*READING, "compact")] == [0] * 5
    rows = fill(place.index, 3, 70)
    with IndexReader(place.index) as opened:
        assert opened.counts()["images"] == 8
        assert abs([*opened.blocks()][-1][1][-3:] - rows).max() < 1e-3


def test_doctor_refuses_another_number_of_reference_vectors(tmp_path: Path, whole: Path) -> None:
    two_rows = meta("golden", f"zeroblob({8 * DIM})")
    place = Place(tmp_path, whole, two_rows)
    with IndexReader(place.index) as opened, pytest.raises(IndexDamaged, match="reference vectors"):
        doctor_index(opened, MeanColourEmbedder())
