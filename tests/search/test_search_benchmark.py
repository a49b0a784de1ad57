"""What the search benchmark searches among, and its figures."""

import json
import os
import resource
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support.vectors import DIM, cloud, collection

from embedtool.core.types import Vectors
from embedtool.errors import UsageError
from embedtool.search import benchmark, build_approximate
from embedtool.search.exact import nearest
from embedtool.store.reader import IndexReader


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of 120 vectors; 30 are held out."""
    monkeypatch.setattr(benchmark, "QUERIES", 30)
    return collection(tmp_path / "index", cloud(120, 0))


def rows_of(index: IndexReader) -> Vectors:
    return index.rows_at(index.places_after(0))


def test_a_thousand_vectors_are_held_out(source: Path) -> None:
    with IndexReader(source) as index, index.snapshot():
        queries, others = benchmark.hold_out(index, seed=0)
        whole = {row.tobytes() for row in rows_of(index)}
        held, left = ({row.tobytes() for row in rows} for rows in (queries, index.rows_at(others)))
        assert held | left == whole and not held & left and len(held) == 30
        assert (benchmark.hold_out(index, seed=1)[0] != queries).any()
    assert benchmark.QUERIES == 30, "1,000 if this test does not change it"


def test_the_number_of_queries_that_the_documentation_states() -> None:
    assert benchmark.QUERIES == build_approximate.QUERIES == 1000


def test_too_few_vectors_to_hold_some_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "QUERIES", 1000)
    small = collection(tmp_path / "small", cloud(40, 0))
    with (
        IndexReader(small) as index,
        pytest.raises(UsageError, match=r"at least 2,000 vectors, but .*small has 40\. Index more"),
    ):
        benchmark.hold_out(index, seed=0)
    monkeypatch.setattr(benchmark, "QUERIES", 20)
    with IndexReader(small) as index:
        assert len(benchmark.hold_out(index, seed=0)[1]) == 20


@pytest.mark.parametrize("wanted", [70, 90])
def test_real_vectors_suffice(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int
) -> None:
    monkeypatch.setattr(benchmark, "COMMIT_ROWS", 32)
    with IndexReader(source) as index, index.snapshot():
        _, real = benchmark.hold_out(index, seed=0)
        benchmark.write_vectors(index, tmp_path / "made", real, wanted, 0, None)
        expected = index.rows_at(real)[:wanted]
    with IndexReader(tmp_path / "made") as made, made.snapshot():
        assert np.allclose(rows_of(made), expected, atol=1e-6)
        assert [row.path for row in made.rows()] == [b"%d" % n for n in range(wanted)]
        assert made.roots() == [os.fsencode(tmp_path / "photos")]
        assert made.model == "fake"


def test_the_rest_is_interpolated_between_neighbours(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each synthetic vector is a positive sum of a real one and one of its 8 nearest neighbours."""
    monkeypatch.setattr(benchmark, "COMMIT_ROWS", 50)
    monkeypatch.setattr(benchmark, "NOISE", 1e-6)
    reports = []
    with IndexReader(source) as index, index.snapshot():
        _, real = benchmark.hold_out(index, seed=0)
        benchmark.write_vectors(
            index, tmp_path / "made", real, 210, 0,
            lambda done, total, *, stage, **_: reports.append((done, total, stage)),
        )  # fmt: skip
        rows, of_all = index.rows_at(real), rows_of(index)
    assert reports == [(done, 120, "interpolating vectors") for done in (50, 100, 120)]
    with IndexReader(tmp_path / "made") as made, made.snapshot():
        found = rows_of(made)
        assert [row.path for row in made.rows()] == [b"%d" % n for n in range(210)]
    assert np.allclose(found[:90], rows, atol=1e-6)
    assert len({row.tobytes() for row in found}) == 210
    near = nearest(rows, [(np.arange(len(of_all)), of_all)], 9)[1][:, 1:]
    one, other = (part.ravel() for part in np.broadcast_arrays(np.arange(90)[:, None], near))
    cosines = np.vecdot(rows[one], of_all[other])
    ranks, shares = set(), []
    for row in found[90:]:
        a, b = rows[one] @ row, of_all[other] @ row
        own, others = (a - cosines * b, b - cosines * a) / (1 - cosines**2)
        pair = int(
            np.argmax(own * a + others * b)
        )  # the squared length along both: 1 in their plane
        assert (own * a + others * b)[pair] == pytest.approx(1, abs=1e-5)
        ranks.add(pair % 8)
        shares.append(others[pair] / (own + others)[pair])
    assert 0.19 < min(shares) < 0.3 and 0.7 < max(shares) < 0.81
    assert len(ranks) > 4, "not only the nearest"


def test_noise_is_a_share_of_the_length(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with IndexReader(source) as index, index.snapshot():
        real = index.places_after(0)
        near = benchmark._neighbours(index, real)
        made = []
        for noise in (0.0, 0.15):
            monkeypatch.setattr(benchmark, "NOISE", noise)
            random = np.random.default_rng(0)
            made.append(benchmark._interpolate(index, real, near, 1, random))
    assert np.allclose(np.linalg.norm(made[1], axis=1), 1, atol=1e-6)
    assert 0.05 < np.linalg.norm(made[1] - made[0]) < 0.3


@dataclass
class Recorder:
    """A searcher that records how often and for what it is called."""

    calls: list[tuple[int, int]] = field(default_factory=list)

    def nearest(self, queries: Vectors, k: int) -> tuple[Vectors, Vectors]:
        self.calls.append((len(queries), k))
        return np.full((len(queries), k), len(self.calls), np.float32), np.zeros((1, 1), np.float32)


def test_the_figures_of_a_method(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A batch of all queries for 10 matches each; then some of them one at a time."""
    place = tmp_path / "place"
    source.rename(place.mkdir() or place / "index")  # type: ignore[func-returns-value]
    np.save(place / "queries.npy", cloud(30, 1))
    clock = iter([5.0, 15.6])
    recorder = Recorder()
    monkeypatch.setattr("embedtool.search.benchmark.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(benchmark, "ExactSearcher", lambda index, centre: recorder)
    times = list(range(100, 0, -1))
    monkeypatch.setattr(benchmark, "query_milliseconds", lambda searcher, some: times[: len(some)])
    resident = iter([3e6, 8e6])
    monkeypatch.setattr(benchmark, "_resident", lambda: next(resident))
    benchmark._child(place, "exact")
    figures = json.loads(capsys.readouterr().out)
    assert recorder.calls == [(30, 1), (30, 10), (30, 100), (30, 10)]
    for call, k in enumerate((1, 10, 100), 1):
        assert (np.load(place / f"exact-{k}.npy") == np.full((30, k), call)).all()
    assert figures == pytest.approx(
        {"p50": 95.5, "p99": 99.91, "batch": 10.6 * 1000 / 30, "resident": 5e6}
    )


def test_memory_without_mapped_files() -> None:
    """The system's own count of pages, in kB there, is in bytes here."""
    found = benchmark._resident()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert found and peak / 20 < found <= peak
    held = np.ones(200_000_000, np.uint8)  # much more than other tests can leave to be freed
    grown = benchmark._resident()
    assert grown and 150e6 < grown - found < 250e6 and held[-1] == 1


def test_the_row_of_a_method() -> None:
    truth = {k: np.tile(np.linspace(1, 0.5, k, dtype=np.float32), (4, 1)) for k in (1, 10, 100)}
    found = {k: rows.copy() for k, rows in truth.items()}
    found[10][:, 8:] = 0.1
    exact = {"p50": 50.0, "p99": 60.0, "batch": 8.0, "resident": 7e6}
    own = {"p50": 5.0, "p99": 9.0, "batch": 2.0, "resident": 21e6}
    row = benchmark._row("HNSW", own, exact, found, truth)
    assert (row.method, row.p50_ms, row.p99_ms, row.batch_ms) == ("HNSW", 5, 9, 2)
    assert (row.speedup_p50, row.speedup_batch, row.resident_mb) == (10, 4, 21)
    assert row.recall == {"1": 1, "10": 0.8, "100": 1}


@pytest.mark.slow
def test_a_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "QUERIES", 200)
    index = collection(tmp_path / "index", cloud(1000, 0))
    report = benchmark.run_search_bench(index, vectors=2400)
    assert (report.vectors, report.synthetic, report.dim) == (2400, 1600, DIM)
    assert report.certificate.vectors == 2400
    exact, approximate = report.rows
    assert exact.method == "exact" and exact.recall == {"1": 1, "10": 1, "100": 1}
    assert (exact.speedup_p50, exact.speedup_batch) == (1, 1)
    assert approximate.speedup_p50 == pytest.approx(exact.p50_ms / approximate.p50_ms)
    assert report.build_seconds > 0 and exact.p50_ms > 0
