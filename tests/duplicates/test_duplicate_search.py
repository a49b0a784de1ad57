"""The search for duplicates among vectors whose cosines are known. The files are no images, so the
vectors alone decide: from a cosine of 0.985 on, which is 9.9 degrees, two show one picture."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.duplicates import File, index_of, search_in
from support.pictures import encoded, scene
from support.progress import Reports

from embedtool.core.types import unit_rows
from embedtool.duplicates.find_duplicates import NEIGHBOURS, find_duplicates
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.store.reader import IndexReader


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def duplicates(index: Path, **options: object) -> Duplicates:
    with IndexReader(index) as reader:
        return find_duplicates(reader, **options)  # type: ignore[arg-type]


def names(group: DuplicateGroup) -> str:
    return " ".join(path.name for path in group.paths)


def test_groups_come_by_kind_then_similarity_then_path(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        *(File("z", 0, b"zz"), File("y", 0, b"zz")),
        *(File("x", 300, b"xx"), File("c", 300, b"xx")),
        *(File("q1", 100), File("q2", 107), File("q3", 96), File("q4", 109)),
        *(File("r", 40), File("s", 44)),
        *(File("v", 122), File("t", 60)),
    )
    found = duplicates(index, min_similarity=0.9)
    assert [(group.kind, names(group)) for group in found.groups] == [
        ("identical", "c x"),
        ("identical", "y z"),
        ("near-identical", "r s"),
        ("near-identical", "q1 q3 q2 q4"),
        ("similar", "r t"),
        ("similar", "q1 v"),
    ]
    expected = [[0], [0], [4], [4, 7, 9], [20], [22]]
    for group, degrees in zip(found.groups, expected, strict=True):
        assert group.keep == group.paths[0]
        assert np.allclose(group.similarities, [1, *map(cosine, degrees)], atol=1e-3)
        assert group.similarity == group.similarities[-1]
        assert group.redundant == (() if group.kind == "similar" else group.paths[1:])
        assert group.verified == (group.kind != "near-identical")
    assert found.images == 12 and found.roots == (tmp_path / "photos",) and found.index == index
    assert set(duplicates(index).groups) == set(found.groups[:4])
    with IndexReader(index) as reader:
        assert [names(g) for g in find_duplicates(reader, min_similarity=-1).groups[4:]] == [
            "c y r t q1 v"
        ]


def test_pictures_are_compared_from_a_cosine_of_a_half_on(tmp_path: Path) -> None:
    image = scene(1, (160, 120))
    small, smaller = image.resize((120, 90)), image.resize((100, 75))
    pictures = {"a": image, "b": small, "c": smaller, "d": scene(2, (160, 120))}
    angles = {"a": 0, "b": 59, "c": -61, "d": 1}
    files = [File(name, angles[name], encoded(own, "PNG")) for name, own in pictures.items()]
    [group] = duplicates(index_of(tmp_path, *files)).groups
    assert names(group) == "a b" and group.verified
    assert group.reason == "more pixels, 160x120 over 120x90"
    assert np.allclose(group.similarity, cosine(59), atol=1e-3)


def best_first(index: Path, angles: list[int], least: float) -> list[list[str]]:
    """The groups when each file, in the order of their names, takes all later ones near it."""
    left, groups = list(enumerate(angles)), []
    while left:
        (_, own), *_ = hub, *others = left
        members = [other for other in others if cosine(other[1] - own) >= least]
        if members:
            groups.append([f"{number:02}" for number, _ in (hub, *members)])
        left = [other for other in others if other not in members]
    return groups


@pytest.mark.parametrize("seed", range(3))
def test_all_of_a_large_group_are_found(seed: int, tmp_path: Path) -> None:
    """A search finds at most NEIGHBOURS of an image, and these groups have more."""
    random = np.random.default_rng(seed)
    angles = [*random.permutation(np.arange(0, 30)), *random.permutation(np.arange(100, 112))]
    index = index_of(tmp_path, *(File(f"{n:02}", a + 0.2) for n, a in enumerate(angles)))
    expected = best_first(index, angles, 0.985)
    assert max(map(len, expected)) > NEIGHBOURS + 1
    found = [sorted(names(group).split()) for group in duplicates(index).groups]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("kind", "from_hub", "aside", "least"),
    [("near-identical", 8, 4, None), ("similar", 30, 9, 0.8)],
)
def test_a_hub_finds_members_that_are_nearer_to_each_other(
    kind: str, from_hub: float, aside: float, least: float | None, tmp_path: Path
) -> None:
    """Three clusters around the hub: the 8 nearest of each image are in its own cluster. The last
    image is a copy of the hub, so no "similar" group has it."""
    rows = np.zeros((28, 34), np.float32)
    rows[0, 0] = 1
    clusters = [1] * 8 + [2] * 9 + [3] * 9
    for member, cluster in enumerate(clusters, 1):
        angle = from_hub - (cluster == 1)  # the 8 nearest to the hub
        rows[member, [0, cluster]] = np.array([cosine(angle), cosine(90 - angle)]) * cosine(aside)
        rows[member, 3 + member] = cosine(90 - aside)
    rows[27, [0, 33]] = cosine(3), cosine(87)
    index = index_of(tmp_path, *(File(f"{n:02}") for n in range(28)), rows=rows)
    *copies, group = duplicates(index, min_similarity=least).groups
    assert [(own.kind, names(own)) for own in copies] == (
        [("near-identical", "00 27")] if kind == "similar" else []
    )
    assert group.kind == kind and group.keep.name == "00"
    assert sorted(names(group).split()) == [f"{n:02}" for n in range(28 - len(copies))]
    assert np.isclose(group.similarity, cosine(from_hub) * cosine(aside), atol=1e-3)


def test_two_kept_images_near_each_other_do_not_search_for_ever(tmp_path: Path) -> None:
    near = [12, 24, 36, 48, -12, -24, -36, -48, -60]  # nearer to the first than the second is
    far = [102, 114, 126, 138, 150, 162]
    index = index_of(
        tmp_path, File("ref/a", 0), File("ref/b", 90), *(File(f"{n}", n) for n in (*near, *far))
    )
    reports = Reports()

    def progress(done: int, total: int, /, *, stage: str, rejected: int = 0) -> None:
        reports(done, total, stage=stage)
        assert len(reports.calls) < 100

    found = duplicates(
        index,
        min_similarity=cosine(95),
        reference=tmp_path / "photos" / "ref",
        progress=progress,
    )
    assert [(group.keep.name, {*names(group).split()[1:]}) for group in found.groups] == [
        ("a", {*map(str, near)}),
        ("b", {*map(str, far)}),
    ]


def test_a_reference_folder_has_one_file_of_each_group(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        *(File("ref/1", 0, b"1"), File("ref/1 again", 0, b"1"), File("out/1", 0, b"1")),
        *(File("out/2", 40, b"2"), File("out/2 again", 40, b"2")),
        *(File("ref/3", 80, b"3"), File("ref/3 again", 80, b"3")),
        *(File("ref/4", 120), File("ref/4 near", 123), File("out/4 near", 126)),
        *(File("out/5", 160), File("out/5 near", 163)),
    )
    found = duplicates(index, reference=tmp_path / "photos" / "ref")
    assert [(g.kind, names(g), g.reason) for g in found.groups] == [
        ("identical", "1 1", "in the reference folder"),
        ("near-identical", "4 near 4 near", "in the reference folder"),
    ]
    assert [path.parent.name for group in found.groups for path in group.paths] == 2 * [
        "ref",
        "out",
    ]
    assert [g.redundant for g in found.groups] == [g.paths[1:] for g in found.groups]


@pytest.mark.parametrize("least", [-1, 0.3, 0.9])
def test_pairs_proposed_are_the_nearest(least: float, tmp_path: Path) -> None:
    angles = np.random.default_rng(1).uniform(0, 360, 30)
    index = index_of(tmp_path, *(File(f"{n:02}", angle) for n, angle in enumerate(angles)))
    changed = {0, 7, 29}
    for number in changed:
        (tmp_path / "photos" / f"{number:02}").write_text("changed since it was indexed")
    own = [n for n in range(30) if n not in changed]  # the items
    cosines = np.cos(np.radians(angles[:, None] - angles))
    with search_in(index) as search:

        def expected(queries: list[int], among: list[int]) -> list[list[int]]:
            pairs = set()
            for query in queries:
                row = cosines[own[query]]
                for other in sorted(among, key=(-row).__getitem__)[: NEIGHBOURS + 1]:
                    if other in own and other != own[query] and row[other] >= least:
                        pairs.add(tuple(sorted((query, own.index(other)))))
            return sorted(map(list, pairs))

        every, _ = search.proposed(search.places, None, least)
        assert every.tolist() == expected(list(range(27)), list(range(30)))
        among = np.array([2, 3, 5, 11, 26, *range(12, 22)])
        some, _ = search.proposed(search.places[[1, 3]], among, least)
        assert some.tolist() == expected([1, 3], [own[item] for item in among])
        assert search._item(np.array([0, 1, 2, 7, 8, 30, 31, 99])).tolist() == [
            -1, -1, 0, 5, -1, -1, -1, -1,
        ]  # fmt: skip


def test_cosines_of_many_pairs(tmp_path: Path) -> None:
    half = np.random.default_rng(0).normal(size=(40, 60))
    rows = unit_rows(np.concatenate([half, -half]))
    index = index_of(tmp_path, *(File(str(n)) for n in range(80)), rows=rows)
    pairs = np.argwhere(np.ones((80, 80)))
    with search_in(index) as search:
        found = search.cosines(pairs)
    assert np.allclose(found.reshape(80, 80), rows @ rows.T, atol=1e-3)
    assert found.min() == -1 and found.max() == 1, "no rounding error beyond"


def test_progress_counts_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedtool.store.reader.BLOCK_ROWS", 4)
    index = index_of(tmp_path, *(File(str(n), 36 * n) for n in range(10)), File("5 near", 182))
    reports = Reports()
    [group] = duplicates(index, min_similarity=0.99, progress=reports).groups
    assert names(group) == "5 near 5"
    steps = [("comparing vectors", done, 11) for done in (4, 8, 11)]
    assert reports.calls[:3] == steps
    # "similar" leaves out the member of the near-identical group.
    assert reports.calls[-3:] == [("comparing vectors", done, 10) for done in (4, 8, 10)]
    assert {stage for stage, _, _ in reports.calls[3:-3]} == {"comparing pictures"}


def test_the_reason_names_the_best_of_the_others(tmp_path: Path) -> None:
    files = [File("a", 0, b"1" * 40), File("b", 1, b"2" * 20), File("c", 2, b"3" * 30)]
    [group] = duplicates(index_of(tmp_path, *files)).groups
    assert names(group) == "a b c" and group.reason == "larger file, 40 over 30 bytes"


def test_a_file_that_is_gone_is_compared_but_not_moved(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, File("a", 0, b"a" * 50), File("b", 3), File("c", 5, b"cc"), File("d", 5, b"cc")
    )
    os.unlink(tmp_path / "photos" / "a")
    os.unlink(tmp_path / "photos" / "c")
    found = duplicates(index)
    same, near = found.groups
    assert (names(same), same.redundant, same.verified) == ("d c", (), True)
    assert names(near) == "d b a" and near.redundant == (tmp_path / "photos" / "b",)
    assert near.reason == "larger file, 2 over 1 bytes" and not near.verified
    assert found.notes == ("2 files are gone: only their vectors were compared",)


def test_nothing_is_left_when_all_files_changed(tmp_path: Path) -> None:
    index = index_of(tmp_path, File("a", 0), File("b", 1))
    for name in "ab":
        (tmp_path / "photos" / name).write_text("changed since")
    found = duplicates(index, min_similarity=0)
    assert found.groups == () and found.notes[0].startswith("2 files were left out")
