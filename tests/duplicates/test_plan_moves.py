"""Where redundant images are moved to: the folder of their root, under a name that is free."""

from pathlib import Path

import pytest
from support.duplicates import group_of

from embedtool.duplicates import check_move
from embedtool.duplicates.move_files import LOG, move_duplicates
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.errors import UsageError


@pytest.fixture(autouse=True)
def any_suffix(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about names, of which some have no suffix of a picture."""
    monkeypatch.setattr(check_move, "MOVABLE", {"", ".jpg", ".gz", ".c"})


def planned(away: Path, roots: list[Path], *redundant: Path) -> list[str]:
    """The places in away of these images, all of one content."""
    kept = roots[0] / "kept"
    for path in (kept, *redundant):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    duplicates = Duplicates(Path("index"), tuple(roots), 9, (group_of(kept, *redundant),))
    moves = move_duplicates(duplicates, away, dry_run=True)
    assert [source for source, _ in moves] == list(redundant)
    return [place.relative_to(away).as_posix() for _, place in moves]


def test_one_root_has_no_folder_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    assert planned(tmp_path / "away", [root], root / "a" / "1", root / "2") == ["a/1", "2"]


def test_each_of_two_roots_has_its_own_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    places = planned(tmp_path / "away", [one, two], one / "a" / "1", two / "1", one / "two" / "1")
    assert places == ["one/a/1", "two/1", "one/two/1"]


def test_the_innermost_of_nested_roots_counts(tmp_path: Path) -> None:
    outer = tmp_path / "photos"
    inner, beside = outer / "deep" / "a", outer / "z"
    images = [inner / "s" / "1", outer / "deep" / "2", outer / "deep" / "ab" / "3", beside / "4"]
    for roots in ([outer, inner, beside], [beside, inner, outer]):
        places = planned(tmp_path / "away", roots, *images)
        assert places == ["a/s/1", "photos/deep/2", "photos/deep/ab/3", "z/4"]


def test_images_of_two_roots_of_one_name_stay_apart(tmp_path: Path) -> None:
    away = tmp_path / "away"
    roots = [tmp_path / side / "photos" for side in "abc"]
    images = [root / name for root in roots for name in ("1.jpg", f"only {root.parent.name}")]
    expected = ["photos/1.jpg", "photos/only a", "photos/1 (2).jpg", "photos/only b"]
    assert planned(away, roots, *images) == [*expected, "photos/1 (3).jpg", "photos/only c"]
    (away / "photos").mkdir(parents=True)
    (away / "photos" / "1 (2).jpg").write_text("of an earlier move")
    (away / "photos" / "only b").symlink_to(tmp_path / "nowhere")
    expected = ["photos/1.jpg", "photos/only a", "photos/1 (3).jpg", "photos/only b (2)"]
    assert planned(away, roots, *images) == [*expected, "photos/1 (4).jpg", "photos/only c"]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("1.tar.gz", "1.tar (2).gz"),
        ("READ", "READ (2)"),
        (".hidden", ".hidden (2)"),
        ("a/b.c", "a/b (2).c"),
    ],
)
def test_the_number_stands_before_the_suffix(name: str, second: str, tmp_path: Path) -> None:
    away, root = tmp_path / "away", tmp_path / "photos"
    (away / name).parent.mkdir(parents=True)
    (away / name).touch()
    assert planned(away, [root], root / name) == [second]


@pytest.mark.parametrize("inside", ["one", "one/away", "two/b/away", "one/../two/away"])
def test_a_folder_in_any_root_is_refused(inside: str, tmp_path: Path) -> None:
    roots = (tmp_path / "one", tmp_path / "two")
    duplicates = Duplicates(Path("index"), roots, 0, ())
    with pytest.raises(UsageError, match="outside the indexed photos"):
        move_duplicates(duplicates, tmp_path / inside)
    assert list(tmp_path.iterdir()) == []


def test_folders_beside_and_above_the_roots_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "photos"
    for folder in (tmp_path / "photos2", tmp_path / "a", tmp_path):
        assert planned(folder, [root], root / "1") == ["1"]
    monkeypatch.chdir(tmp_path)
    duplicates = Duplicates(Path("index"), (root,), 2, (group_of(root / "kept", root / "1"),))
    moves = move_duplicates(duplicates, "b/../away", dry_run=True)
    assert moves == [(root / "1", tmp_path / "away" / "1")]


def test_only_redundant_images_move(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    a, b, c, d, e, f, gone, lost = (root / name for name in (*"abcdef", "gone", "lost"))
    for path in (a, b, c, d, e, f):
        path.touch()
    similar = DuplicateGroup("similar", e, "", (e, f), (1, 1), (), True, ("", ""))
    groups = (group_of(a, b, gone), similar, group_of(lost, c))
    away = tmp_path / "new" / "away"
    moved = move_duplicates(Duplicates(tmp_path, (root,), 6, groups), away)
    assert moved == [(b, away / "b")]
    assert moved.left == [
        f"{gone} was not moved: it is gone",
        f"{c} was not moved: {lost}, which would be kept, is gone",
    ]
    assert sorted(path.name for path in root.iterdir()) == [*"acdef"]
    assert sorted(path.name for path in away.iterdir()) == ["b", LOG]
    assert move_duplicates(Duplicates(tmp_path, (root,), 2, (similar,)), tmp_path / "none") == []
    assert not (tmp_path / "none").exists()
