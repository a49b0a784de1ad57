"""What an open index loads, how often, and that it shows what others have written since."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.indexes import fill, run
from support.pictures import encoded, picture
from support.vectors import COUNT, cloud, commit, exact_ids

import embedtool
from embedtool.errors import ModelMismatch, NotAnIndex, UsageError
from embedtool.images.decode import decode_image
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.models.litert import LiteRTNetwork
from embedtool.search.search_cache import SearchCache
from embedtool.store import derived, seal, segment_files
from embedtool.store.cluster_labels import Clusters, save_clusters
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


@pytest.fixture
def fake_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of indexes of the mean-colour embedder."""
    monkeypatch.setattr(
        "embedtool.models.embedder.embedder_of", lambda model, recipe: MeanColourEmbedder()
    )


def test_ten_searches_load_the_network_once_and_hash_each_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(6):
        (photos / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))
    path = embedtool.index_photos(photos, index=tmp_path / "index", model="builtin").index
    with Writer(path) as writer:
        ids = np.fromiter(writer.vector_ids(), np.int64)
        zeros = np.zeros(6, np.int32)
        save_clusters(writer, Clusters(ids, zeros, zeros, np.ones(6, "f4"), ("all",)))
    made: Counter[str] = Counter()

    def counted(module: object, name: str) -> None:
        own = getattr(module, name)

        def call(*arguments: object) -> object:
            made[
                f"{name} {arguments[-1] if name != '_digest' else Path(str(arguments[0])).name}"
            ] += 1
            return own(*arguments)

        monkeypatch.setattr(module, name, call)

    counted(segment_files, "check_segment")
    counted(derived, "_digest")
    counted(seal, "_state")
    loaded = []
    start = LiteRTNetwork.__init__

    def load(self: LiteRTNetwork, model: Path | bytes) -> None:
        loaded.append(model)
        start(self, model)

    monkeypatch.setattr(LiteRTNetwork, "__init__", load)
    new = tmp_path / "new.png"
    with embedtool.open(path) as index:
        for number in range(10):
            new.write_bytes(encoded(picture(100 + number), "PNG"))
            assert len(index.search(new, k=3)) == 3
            assert index.search(photos / "2.png", k=1)[0].path == photos / "2.png"
    assert len(loaded) == 1
    assert set(made.values()) == {1} and len(made) == 3, made


def test_every_kind_of_query_finds_the_same(index: Path, photos: Path, fake_network: None) -> None:
    run(index, photos)
    file = photos / "3.png"
    pixels = np.asarray(Image.open(file))
    vector = MeanColourEmbedder().embed(decode_image(file.read_bytes(), 32)[None])[0]
    new = shutil.copy(file, photos.parent / "new.png")
    with embedtool.open(index) as opened:
        queries = [file, str(file), new, Image.open(file), pixels, vector, vector.astype("f8") * 7]
        results = opened.search(queries, rows=[4], k=3)
        assert [result.query for result in results] == [
            str(file), str(file), str(new), "image of 64x48", "image of 64x48", "vector", "vector",
            str(file),
        ]  # fmt: skip
        for result in results:
            assert [m.path for m in result] == [m.path for m in results[0]]
            assert np.allclose(
                [m.similarity for m in result], [m.similarity for m in results[0]], atol=1e-3
            )
        assert results[0][0].path == file
        single = opened.search(file, k=3)
        assert single == results[0]
        several: Any = np.stack([vector, vector])  # an array of queries serves as a list does
        assert opened.search(several, k=3)[1].matches == results[5].matches
        for several in ([file], (file,), np.array([str(file)]), np.array([file])):
            assert [list(result) for result in opened.search(several, k=3)] == [list(single)]
        several = pixels[None]
        assert opened.search(several, k=3) == results[4:5]
        paths, rows = opened.vectors()
        assert rows.dtype == np.float32 and rows.shape == (7, MeanColourEmbedder.dim)
        assert np.allclose(rows[paths.index(file)], vector, atol=1e-3)
        assert [image.path for image in opened.images] == paths


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        (np.zeros((5, 5), np.uint8), UsageError, r"uint8 \(h, w, 3\), received \(5, 5\)"),
        (np.zeros((0, 5, 3), np.uint8), UsageError, r"received \(0, 5, 3\)"),
        (np.zeros(MeanColourEmbedder.dim), UsageError, "length 0.0"),
        (np.full(MeanColourEmbedder.dim, np.nan), UsageError, "length nan"),
        (np.ones(7), ModelMismatch, "49 dimensions, .* received 7"),
        (np.ones((4, 4, 3)), UsageError, r"received float64 \(4, 4, 3\)"),
        (np.array("text").astype("S"), UsageError, r"received \|S4 \(\)"),
        (3, UsageError, "received int"),
        ([], UsageError, "at least one query"),
        ([None], UsageError, "received NoneType"),
    ],
)
def test_what_is_no_query_is_one_clear_error(
    index: Path, fake_network: None, query: object, error: type[Exception], said: str
) -> None:
    fill(index, 20)
    with embedtool.open(index) as opened, pytest.raises(error, match=said):
        opened.search(query)  # type: ignore[call-overload]


def test_a_search_sees_what_was_committed_and_removed_since(index: Path) -> None:
    first = fill(index, 20)
    with embedtool.open(index) as opened:
        assert len(opened.images) == 20 and opened.images is opened.images
        assert opened.search(first[3], k=1)[0].path == Path("/r/000003")
        later = fill(index, 20, start=20)
        assert opened.search(later[5], k=1)[0].path == Path("/r/000025")
        assert len(opened.images) == 40
        with Writer(index) as writer:
            writer.drop([row.id for row in writer.rows() if row.path == b"000025"], [])
        assert opened.search(later[5], k=1)[0].path != Path("/r/000025")
        assert opened.compact().segments_after == 1
        assert opened.search(first[3], k=1)[0].path == Path("/r/000003")
        assert [m.cluster for m in opened.search(first[0], k=3)] == [None] * 3
        with Writer(index) as writer:
            ids = np.fromiter(writer.vector_ids(), np.int64)
            labels = (ids % 3 - 1).astype(np.int32)
            save_clusters(writer, Clusters(ids, labels, labels, np.ones(39, "f4"), ("a", "b")))
        assert [i.cluster for i in opened.images] == labels.tolist()
        expected = dict(zip((i.path for i in opened.images), labels.tolist(), strict=True))
        found = opened.search(first[0], k=5)
        assert [m.cluster for m in found] == [expected[m.path] for m in found]


def test_a_single_search_holds_no_vectors(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = fill(index, 20)
    with embedtool.open(index) as opened:
        expected = opened.search(list(rows[:3]), k=5)
    monkeypatch.setattr(SearchCache, "__init__", lambda self: pytest.fail("vectors are held"))
    for found, held in zip(
        embedtool.search_photos(index, list(rows[:3]), k=5), expected, strict=True
    ):
        assert [match.path for match in found] == [match.path for match in held]
        similarities = [match.similarity for match in held]
        assert [match.similarity for match in found] == pytest.approx(similarities, abs=1e-6)


def test_an_index_deleted_and_made_anew_is_opened_anew(index: Path) -> None:
    old = fill(index, 20)
    with embedtool.open(index) as opened:
        assert opened.search(old[3], k=1)[0].similarity > 0.999
        other = index.with_name("other")
        shutil.copytree(index, other)
        with Writer(other) as writer:
            writer.drop([row.id for row in writer.rows()][:10], [])
        shutil.rmtree(index)
        with pytest.raises(NotAnIndex):
            opened.search(old[3])
        other.rename(index)
        assert len(opened.images) == 10
        assert opened.search(old[3], k=1)[0].similarity < 0.999
        assert opened.search(old[13], k=1)[0].path == Path("/r/000013")


def test_a_large_index_is_searched_by_its_certified_index_and_what_came_since(large: Path) -> None:
    queries = cloud(30, 7)
    with embedtool.open(large) as opened:
        first = opened.search(list(queries), k=10)
        assert all(result.certificate for result in first)
        with Writer(large) as writer:
            commit(writer, cloud(60, 2), COUNT)
            commit(writer, queries[:5], COUNT + 60)
            writer.drop([row.id for row in writer.rows()][:300], [])
        results = opened.search(list(queries), k=10)
        with IndexReader(large) as reader:
            expected = exact_ids(reader, queries, 10)
            paths = {row.id: str(Path("/photos") / row.path.decode()) for row in reader.rows()}
        assert [str(result[0].path) for result in results[:5]] == [
            paths[i] for i in expected[:5, 0]
        ]
        found = sum(
            str(match.path) in {paths[i] for i in own}
            for result, own in zip(results, expected.tolist(), strict=True)
            for match in result
        )
        assert found >= 0.97 * 300


def test_sync_leaves_roots_alone_that_are_not_named(
    index: Path, photos: Path, tmp_path: Path, fake_network: None
) -> None:
    run(index, photos)
    more = tmp_path / "more"
    more.mkdir()
    (more / "x.png").write_bytes(encoded(picture(50), "PNG"))
    with embedtool.open(index) as opened:
        report = opened.sync(more)
        assert (report.added, report.removed, report.total) == (1, 0, 1)
        assert len(opened.images) == 8
        (more / "x.png").rename(more / "y.png")
        assert opened.sync([more]).renamed == 1
        assert opened.images[-1].path == more / "y.png"
