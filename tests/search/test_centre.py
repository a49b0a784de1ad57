"""The centre of a collection, and that every way to search measures similarity from it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from support.vectors import (
    COUNT,
    all_similarities,
    cloud,
    collection,
    commit,
    drop_every,
    exact_ids,
)
from support.vectors import built as built
from support.vectors import large as large

import embedtool
from embedtool.core.types import Vectors, unit_rows
from embedtool.library.results import SearchResult
from embedtool.search import centre as centre_module
from embedtool.search.centre import centre_digest, read_centre, refresh_centre
from embedtool.search.faiss_index import FaissIndex, principal_axes
from embedtool.search.published_certificate import read_certificate
from embedtool.search.recall_certificate import Certificate
from embedtool.search.refresh import refresh_search_index
from embedtool.search.searcher import open_searcher
from embedtool.store.derived import CENTRE, SEARCH, open_derived, publish, publish_arrays
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def alike(count: int, seed: int) -> Vectors:
    """Vectors with a large part in common, as those of photos."""
    return unit_rows(cloud(count, seed) + 0.2)


def mean_of(index: IndexReader) -> np.ndarray:
    return np.asarray(index.rows_at(index.places_after(0)).mean(0))


def made(path: Path, count: int, seed: int = 0) -> Path:
    with Writer(collection(path, alike(count, seed))) as writer:
        refresh_centre(writer)
    return path


def test_an_index_has_a_centre_from_its_hundredth_vector(tmp_path: Path) -> None:
    with Writer(collection(tmp_path / "index", alike(99, 0))) as writer:
        assert not refresh_centre(writer).any() and not (tmp_path / "index" / "derived").exists()
        commit(writer, alike(1, 1), 99)
        centre = refresh_centre(writer)
        assert np.allclose(centre, mean_of(writer), atol=1e-6)
        assert (read_centre(writer) == centre).all()


@pytest.mark.parametrize(
    ("added", "dropped", "renewed"),
    [(199, 1, False), (200, 1, True), (0, 2, True), (100, 2, False)],
)
def test_it_is_renewed_when_the_vectors_have_doubled_or_halved(
    tmp_path: Path, added: int, dropped: int, renewed: bool
) -> None:
    """dropped: one vector in this many remains."""
    with Writer(made(tmp_path / "index", 200)) as writer:
        before = read_centre(writer)
        if added:
            commit(writer, cloud(added, 1), 200)
        if dropped > 1:
            drop_every(writer, dropped)
        centre = refresh_centre(writer)
        assert (centre == read_centre(writer)).all()
        assert (centre == before).all() != renewed
        assert np.allclose(centre, mean_of(writer), atol=1e-6) == renewed


def test_it_is_the_mean_of_a_seeded_sample_whatever_the_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a run that was interrupted. The sample is of all parts of the collection."""
    monkeypatch.setattr(centre_module, "SAMPLE", 120)
    rows = alike(600, 0)
    with Writer(collection(tmp_path / "one", rows)) as writer:
        whole, mean = refresh_centre(writer), mean_of(writer)
    with Writer(collection(tmp_path / "two", rows[:250])) as writer:
        commit(writer, rows[250:], 250)
        assert refresh_centre(writer).tolist() == whole.tolist()
    assert 0 < np.linalg.norm(whole - mean) < 0.1


def test_equal_vectors_have_no_centre(tmp_path: Path) -> None:
    """Their directions from it would be noise, and their similarity is 1."""
    rows = unit_rows(np.ones((120, 8)) + np.random.default_rng(0).normal(size=(120, 8)) * 1e-3)
    with Writer(collection(tmp_path / "index", rows)) as writer:
        assert not refresh_centre(writer).any()
    [found] = embedtool.search_photos(tmp_path / "index", rows=[3], k=5)
    assert [match.similarity for match in found] == pytest.approx([1] * 5, abs=1e-4)
    assert found.similarity == "cosine of the vectors"


@pytest.mark.parametrize("wrong", [np.full(96, np.nan), np.ones(7), np.ones(96), None])
def test_a_centre_that_cannot_be_one_is_not_used(tmp_path: Path, wrong: np.ndarray | None) -> None:
    """None: a damaged file. The next writer makes it again."""
    path = made(tmp_path / "index", 120)
    with Writer(path) as writer:
        expected = read_centre(writer)
        if wrong is None:
            [file] = (path / "derived").glob("centre-*")
            file.write_bytes(file.read_bytes()[:-1])
            assert "embedtool compact" in embedtool.verify_index(path)[0]
        else:
            publish_arrays(
                path, CENTRE, {"vectors": 120}, fingerprint=writer.fingerprint, centre=wrong
            )
        assert not read_centre(writer).any()
    assert embedtool.index_info(path)["similarity"] == "cosine of the vectors"
    embedtool.compact_index(path)
    with IndexReader(path) as index:
        assert (read_centre(index) == expected).all()


def test_every_way_to_search_measures_from_the_centre(tmp_path: Path) -> None:
    path = made(tmp_path / "index", 240)
    query = alike(1, 9)
    with IndexReader(path) as index, index.snapshot():
        ids, [near] = all_similarities(index, query)
        plain = index.rows_at(index.places_after(0)) @ query[0]
    order = np.argsort(-near)
    expected = [(f"{ids[at] - 1:05}.jpg", float(near[at])) for at in order]
    assert np.argsort(-plain)[:20].tolist() != order[:20].tolist(), "the plain cosine ranks others"

    def check(found: SearchResult, true: list[tuple[str, float]]) -> None:
        assert [match.path.name for match in found] == [name for name, _ in true]
        similarities = [match.similarity for match in found]
        assert similarities == pytest.approx([value for _, value in true], abs=1e-5)
        assert found.similarity == "cosine of the vectors less the collection's mean"

    twos = [one for one in expected if int(one[0][:5]) % 3 == 2]
    for hold in (True, False):  # vectors in memory, or read from their files
        with embedtool.Index(path, hold_vectors=hold) as opened:
            check(opened.search(query[0], k=20), expected[:20])
            check(opened.search(query[0], k=20, where=["label=2"]), twos[:20])
            line = expected[30][1] + 1e-4
            check(opened.search(query[0], min_similarity=line), expected[:30])
            check(opened.search(query[0], k=9, min_similarity=line), expected[:9])
            _, second, of_row = opened.search([query[0], query[0]], rows=[4], k=20)
            check(second, expected[:20])
            assert of_row[0].path.name == "00003.jpg"
            assert of_row[0].similarity == pytest.approx(1, abs=1e-5)
    said = embedtool.index_info(path)["similarity"]
    assert said == "cosine of the vectors less the collection's mean"


def test_an_open_index_sees_a_new_centre(tmp_path: Path) -> None:
    path = made(tmp_path / "index", 120)
    with embedtool.open(path) as index:
        before = index.search(alike(1, 9)[0], k=3)
        with Writer(path) as writer:
            commit(writer, cloud(130, 1), 120)
            between = index.search(alike(1, 9)[0], k=3)
            refresh_centre(writer)
        after = index.search(alike(1, 9)[0], k=3)
    first = [one for one in before if one.path == between[0].path]
    assert first and first[0].similarity == pytest.approx(between[0].similarity, abs=1e-6)
    assert abs(after[0].similarity - between[0].similarity) > 0.01


@pytest.mark.slow
def test_an_approximate_index_of_an_earlier_version_serves_until_the_next_index_run(
    large: Path,
) -> None:
    """It has no centre, and is searched by the plain cosine. Afterwards its limits are kept."""
    path = large.parent / "old"
    with Writer(collection(path, cloud(COUNT, 0))) as writer:
        opened = open_derived(large, SEARCH, writer.fingerprint)
        assert opened
        about = opened[0]
        del about["centre"]
        data = plain_index(writer, Certificate(**about))
        publish(path, SEARCH, "faiss", about, lambda w: w(data), fingerprint=writer.fingerprint)
        assert not read_centre(writer).any()
    queries = cloud(50, 1)
    with IndexReader(path) as index, index.snapshot():
        searcher = open_searcher(index)
        assert searcher.certificate_for(10) == Certificate(**about)
        found = searcher.nearest(queries, 10)[1]
        share = (found[:, :, None] == exact_ids(index, queries, 10)[:, None]).any(2).mean()
        assert share > 0.98
    with Writer(path) as writer:
        refresh_search_index(writer)
        now = read_certificate(writer)
        centre = read_centre(writer)
    assert now and centre.any() and now.centre == centre_digest(centre)
    assert now.min_recall == about["min_recall"] and now.recall["10"] >= 0.99


def plain_index(writer: Writer, certificate: Certificate) -> bytes:
    """The content of the approximate index that an earlier version built."""
    rows = writer.rows_at(writer.places_after(0))
    axes = principal_axes(rows)[: certificate.dimensions]
    plain = FaissIndex.empty(certificate.method, rows, axes, np.zeros(writer.dim, np.float32))
    plain.add(writer.places_after(0)["id"], rows)
    parts: list[bytes] = []
    plain.write(parts.append)
    return b"".join(parts)


@pytest.mark.slow
def test_an_approximate_index_for_another_centre_is_not_used_and_built_again(large: Path) -> None:
    queries = cloud(20, 1)
    with Writer(large) as writer:
        before = read_certificate(writer)
        centre = read_centre(writer) * np.float32(0.9)
        publish_arrays(
            large, CENTRE, {"vectors": COUNT}, fingerprint=writer.fingerprint, centre=centre
        )
        assert before and read_certificate(writer) is None
        searcher = open_searcher(writer)
        assert searcher.certificate_for(10) is None
        assert (searcher.nearest(queries, 10)[1] == exact_ids(writer, queries, 10)).all()
    assert embedtool.index_info(large)["certificate"] is None
    [found] = embedtool.search_photos(large, rows=[7], min_recall=0.9)
    assert found.certificate and found.certificate.centre == centre_digest(centre)
    assert embedtool.index_info(large)["certificate"] == asdict(found.certificate)
