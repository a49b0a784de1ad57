"""Moves between file systems, where a file is copied, compared, and then deleted."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from support.duplicates import forbid_links

from embedtool.core.drafts import hidden_sibling
from embedtool.duplicates.move_files import _move
from embedtool.errors import EmbedtoolError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("content")
    return tmp_path / "source"


@pytest.mark.parametrize("code", ["EXDEV", "EPERM", "ENOTSUP", "ENOSYS", "EMLINK"])
def test_where_no_link_can_be_made_the_file_is_copied(
    code: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_links(monkeypatch, getattr(errno, code))
    os.utime(source, ns=(1, 987_654_321))
    place = tmp_path / "away" / "deep" / "place"
    _move(source, place)
    assert place.read_text() == "content" and place.stat().st_mtime_ns == 987_654_321
    assert not source.exists() and list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("code", ["EACCES", "ENOSPC", "EIO"])
def test_other_errors_are_raised(
    code: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_links(monkeypatch, getattr(errno, code))
    with pytest.raises(OSError, match="no link") as caught:
        _move(source, tmp_path / "place")
    assert caught.value.errno == getattr(errno, code)
    assert source.read_text() == "content" and not (tmp_path / "place").exists()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("existing", ["a file", "a link to nothing"])
def test_a_file_that_came_to_the_place_is_not_overwritten(
    existing: str, links: bool, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    if existing == "a file":
        place.write_text("mine")
    else:
        place.symlink_to("nothing")
    if not links:
        forbid_links(monkeypatch)
    with pytest.raises(FileExistsError) as caught:
        _move(source, place)
    assert str(place) in str(caught.value)
    assert source.read_text() == "content"
    assert place.is_symlink() or place.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [place, source]


def test_a_copy_that_differs_is_removed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fault of the disk. It has the size and the time of the original."""
    forbid_links(monkeypatch)
    real = shutil.copy2

    def damaging(one: Path, other: Path, **options: bool) -> None:
        real(one, other, **options)
        Path(other).write_text("c0ntent")
        shutil.copystat(one, other)

    monkeypatch.setattr(shutil, "copy2", damaging)
    with pytest.raises(EmbedtoolError, match="was not moved: its copy in"):
        _move(source, tmp_path / "place")
    assert list(tmp_path.iterdir()) == [source] and source.read_text() == "content"


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("target", ["real", "nothing"])
def test_a_symbolic_link_is_moved_itself(
    target: str, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").write_text("content")
    (tmp_path / "link").symlink_to(tmp_path / target)
    if not links:
        forbid_links(monkeypatch)
    _move(tmp_path / "link", tmp_path / "away" / "link")
    assert os.readlink(tmp_path / "away" / "link") == str(tmp_path / target)
    assert (tmp_path / "real").read_text() == "content"
    assert not (tmp_path / "link").is_symlink()


def test_no_file_of_another_run_or_of_the_user_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_links(monkeypatch)
    other = hidden_sibling(tmp_path / "place")
    for name in (other.name, "place.embedtool-part", "place.new"):
        (tmp_path / name).write_text("mine")
    _move(source, tmp_path / "place")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "place": "content",
        other.name: "mine",
        "place.embedtool-part": "mine",
        "place.new": "mine",
    }
