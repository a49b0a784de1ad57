"""What approximate search finds for photos of another kind than those of the index.

python examples/other_photos.py INDEX --inside NAME... --outside NAME... --vectors 36000

A photo belongs to NAME if a folder of its path has this name. The photos inside, and as many of
their altered copies as needed, become an index; the photos outside are the queries. What each kind
of approximate index promises is printed beside what the queries find.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

import embedtool
from embedtool.core.types import Vectors
from embedtool.models.embedder import embedder_of
from embedtool.models.unrelated_vectors import unrelated_vectors
from embedtool.search.benchmark import write_vectors
from embedtool.search.build_approximate import build_search_index
from embedtool.search.centre import read_centre
from embedtool.search.measure_recall import found_shares, query_milliseconds
from embedtool.search.searcher import ExactSearcher, open_searcher
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

QUERIES, TIMED, TIMED_EXACT = 1000, 200, 10
METHODS: tuple[tuple[str, float, int | None], ...] = (
    ("graph", 0.99, None),
    ("lists", 0.95, 60),
)  # name, required recall, bytes per vector at most

parser = argparse.ArgumentParser()
parser.add_argument("index", type=Path)
parser.add_argument("--inside", nargs="+", required=True)
parser.add_argument("--outside", nargs="+", required=True)
parser.add_argument("--vectors", type=int, required=True)
options = parser.parse_args()


def measure(
    folder: Path, plan: tuple[str, float, int | None], queries: dict[str, Vectors], drawn: Vectors
) -> dict[str, object]:
    method, min_recall, bytes_each = plan
    shutil.rmtree(folder / "derived", ignore_errors=True)  # that of the method before
    with Writer(folder) as writer:
        count = writer.counts()["vectors"]
        certificate = build_search_index(
            writer,
            unrelated=drawn,
            min_recall=min_recall,
            max_memory=bytes_each and bytes_each * count,
        )
    with IndexReader(folder) as index, index.snapshot():
        searcher, exact = open_searcher(index), ExactSearcher(index, read_centre(index))
        measured = {
            name: found_shares(searcher.nearest(rows, 10)[0], exact.nearest(rows, 10)[0], 10).mean()
            for name, rows in queries.items()
        }
        rows = random.permutation(np.concatenate(list(queries.values())))
        times = query_milliseconds(searcher, rows[:TIMED])
        exact_times = query_milliseconds(exact, rows[:TIMED_EXACT])
    return {
        "method": method if searcher.certificate_for(10) else f"{method}: too poor, exact",
        "vectors": count,
        "breadth": certificate.breadth,
        "candidates": certificate.candidates,
        "promised": certificate.recall["10"],
        "by_query": {kind: found["10"] for kind, found in certificate.recall_by_query.items()},
        "measured": measured,
        "p50_ms": float(np.median(times)),
        "exact_p50_ms": float(np.median(exact_times)),
    }


random = np.random.default_rng(0)
with embedtool.open(options.index) as opened:
    paths, vectors = opened.vectors()
copy = np.array(["copies" in path.parts for path in paths])
inside = np.array([not {*options.inside}.isdisjoint(path.parts) for path in paths])
chosen = np.concatenate(
    [np.flatnonzero(inside & ~copy), random.permutation(np.flatnonzero(inside & copy))]
)[: options.vectors]
queries = {}
for name in options.outside:
    here = np.array([name in path.parts for path in paths]) & ~copy
    queries[name] = vectors[random.permutation(np.flatnonzero(here))[:QUERIES]]
with tempfile.TemporaryDirectory(prefix="embedtool-") as scratch:
    folder = Path(scratch) / "index"
    with IndexReader(options.index) as source, source.snapshot():
        ids = np.fromiter(source.vector_ids(), np.int64)
        embedder = embedder_of(source.model, source.recipe)
        places = source.places(np.unique(ids[chosen]).tolist())
        write_vectors(source, folder, places, len(places), 0, None)
    drawn = unrelated_vectors(embedder.fingerprint, embedder.dim, embedder)
    assert drawn is not None
    for method in METHODS:
        print(json.dumps(measure(folder, method, queries, drawn)))
