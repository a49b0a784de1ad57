"""What every result has: records, a table, a line of text, and what a notebook shows of it."""

import base64
import io
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.labelled import labelled_index
from support.pictures import picture, save

import embedtool
from embedtool.classification.compare_vectors import Measure
from embedtool.classification.intervals import Estimate
from embedtool.core import extras
from embedtool.duplicates.results import DuplicateGroup
from embedtool.errors import EmbedtoolError
from embedtool.explore.results import Cluster, Member, Outlier
from embedtool.library.probe_results import ComparisonResult
from embedtool.library.results import (
    Assignments,
    ClusterResult,
    DuplicateResult,
    ImageRecord,
    Images,
    MapResult,
    Outliers,
    SearchResult,
)
from embedtool.library.sequences import SHOWN, Results
from embedtool.search.results import Match

AnyResult = Results[Any]

HOSTILE = 'a <b>&" c'
NOT_UTF8 = os.fsdecode(b"caf\xe9.png")
DATE = datetime(2020, 9, 13, 12, 26, 40)

SCORES = (
    "name:O support:i predicted:i precision:f recall:f f1:f "
    "precision_ci95:O recall_ci95:O f1_ci95:O"
)
TABLES = {  # the columns of each result and their kinds in numpy: O objects, M dates
    "SearchResult": "rank:i path:O similarity:f cluster:i",
    "Images": "path:O label:O size:i date:M cluster:O",
    "ClusterResult": "id:i name:O size:i stability:f representatives:O borderline:O outliers:O",
    "Assignments": "path:O cluster:i nearest:i strength:f",
    "Outliers": "rank:i path:O score:f nearest:O similarity:f",
    "DuplicateResult": "kind:O keep:O reason:O paths:O similarities:O redundant:O verified:b "
    "sha256:O",
    "MapResult": "path:O x:f y:f placed:b label:O cluster:i date:M prediction:O probability:O",
    "PredictionResult": "path:O label:O likeliest:O probability:f margin:f",
    "ProbeResult": SCORES,
    "EvaluationResult": SCORES,
    "ComparisonResult": "name:O first:O second:O change:O",
}
COLUMNS = {
    name: dict(column.split(":") for column in text.split()) for name, text in TABLES.items()
}
OF_PICTURES = [*COLUMNS][:6]  # which show pictures by their path


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures: with a name to escape, with a name that is not UTF-8, and one that is gone."""
    folder = tmp_path_factory.mktemp("results") / "photos"
    names = [f"{HOSTILE}.png", NOT_UTF8]
    return [save(folder / name, picture(n)) for n, name in enumerate(names)] + [folder / "gone.png"]


def labelled_results(folder: Path) -> list[AnyResult]:
    path = labelled_index(folder, 60)
    with embedtool.open(path) as index:
        labels = {image.path: f"{HOSTILE} {image.label}" for image in index.images}
        probe = index.probe(dict(list(labels.items())[::2]))
        return [probe, index.predict(probe), index.evaluate(probe, labels=labels)]


def comparison() -> ComparisonResult:
    measure = Measure(HOSTILE, Estimate(0.5, 0.4, 0.6), Estimate(0.25, 0.2, 0.3), Estimate(0, 0, 0))
    return ComparisonResult(
        indexes=(Path("a"), Path("b")),
        models=("builtin", "other"),
        images=1234,
        classes=("x",),
        measures=(measure,),
        overlap=Estimate(0.5, 0.4, 0.6),
        agreement=None,
        per_class=(),
        moved=(),
        strengths=(1.0, 1.0),
        queries=1,
        seed=0,
        notes=(),
    )


@pytest.fixture(scope="module")
def results(paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, AnyResult]:
    one, two, gone = paths
    members = tuple(Member(path, n - 1, 0, 0.5) for n, path in enumerate(paths))
    clusters = (
        Cluster(0, HOSTILE, 2, 1.5, (one, two), (gone,), ()),
        Cluster(1, "cluster 1", 1, 0.5, (two,), (), ()),
        Cluster(2, "cluster 2", 1, 0.5, (gone,), (), ()),
    )
    similar = (1, 0.9, 0.8)
    group = DuplicateGroup("similar", one, "larger file", (*paths,), similar, (), True, ("",) * 3)
    found: list[AnyResult] = [
        SearchResult("q.png", tuple(Match(n, p, 1 / n, n) for n, p in enumerate(paths, 1))),
        Images(tuple(ImageRecord(p, "photos", 10**n, DATE, None) for n, p in enumerate(paths))),
        ClusterResult(Path("index"), clusters, members, 1, 2, 0.5, 0),
        Assignments(members),
        Outliers(tuple(Outlier(n, p, 1 / n, one, 0.5) for n, p in enumerate(paths, 1))),
        DuplicateResult(Path("index"), (one.parent,), 3, (group,)),
        MapResult(
            index=Path("index"),
            paths=tuple(paths),
            vectors=np.arange(3),
            coordinates=np.array([[0, 0], [0.5, 1], [1, 0.25]], np.float32),
            placed=np.array([False, False, True]),
            labels=("photos",) * 3,
            folders=(str(one.parent),) * 3,
            dates=np.array([DATE] * 3, "M8[s]"),
            clusters=np.array([0, 0, -1], np.int32),
            cluster_names=(HOSTILE,),
            neighbours=2,
            seed=0,
            notes=(),
        ),
        comparison(),
        *labelled_results(tmp_path_factory.mktemp("labelled")),
    ]  # fmt: skip
    return {type(result).__name__: result for result in found}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_record_has_the_fields_of_its_item(name: str, results: dict[str, AnyResult]) -> None:
    result = results[name]
    records = result.to_records()
    assert [list(record) for record in records] == [list(COLUMNS[name])] * len(result)
    plain = json.loads(json.dumps([asdict(item) for item in result], default=str))
    assert json.loads(json.dumps(records, default=str)) == plain
    kept = {type(value) for record in records for value in record.values()}
    assert kept <= {str, int, float, bool, list, dict, type(None), datetime}, "JSON, but for dates"


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_has_a_row_for_each_item(name: str, results: dict[str, AnyResult]) -> None:
    result = results[name]
    table = result.to_pandas()
    assert {column: table[column].dtype.kind for column in table} == COLUMNS[name]
    assert list(table) == list(COLUMNS[name])
    assert table.to_dict("records") == result.to_records()
    assert list(table.index) == list(range(len(result)))


def test_known_values(results: dict[str, AnyResult], paths: list[Path]) -> None:
    found = results["SearchResult"].to_records()
    assert found[1] == {"rank": 2, "path": str(paths[1]), "similarity": 0.5, "cluster": 2}
    image = results["Images"].to_pandas().iloc[2]
    assert (image["path"], image["label"], image["size"]) == (str(paths[2]), "photos", 100)
    assert image["date"] == DATE and image["cluster"] is None
    point = results["MapResult"].to_records()[2]
    assert (point["x"], point["y"], point["placed"], point["cluster"]) == (1.0, 0.25, True, -1)
    [group] = results["DuplicateResult"].to_records()
    assert group["paths"] == [str(path) for path in paths] and group["keep"] == str(paths[0])
    [measure] = results["ComparisonResult"].to_records()
    assert measure["first"] == {"value": 0.5, "low": 0.4, "high": 0.6}


def test_an_empty_result_has_its_columns() -> None:
    assert list(Outliers(()).to_pandas()) == list(COLUMNS["Outliers"])
    assert Outliers(()).to_records() == []


def test_each_prints_as_one_short_line(results: dict[str, AnyResult]) -> None:
    lines = {name: repr(result) for name, result in results.items()}
    accuracy = results["EvaluationResult"].evaluation.accuracy  # type: ignore[attr-defined]
    assert lines == {
        "SearchResult": "<SearchResult: 3 images near q.png, similarity 1.0000 to 0.3333>",
        "Images": "<Images: 3 images>",
        "ClusterResult": "<ClusterResult: 3 clusters of 3 images, 1 are noise>",
        "Assignments": "<Assignments: 3 images and their clusters>",
        "Outliers": "<Outliers: 3 outliers>",
        "DuplicateResult": "<DuplicateResult: 1 group, 0 of 3 images are redundant>",
        "MapResult": "<MapResult: 3 images on a plane>",
        "ComparisonResult": "<ComparisonResult: builtin and other on 1,234 images>",
        "ProbeResult": lines["ProbeResult"],
        "PredictionResult": "<PredictionResult: 60 images in 3 classes, 0 unsure>",
        "EvaluationResult": f"<EvaluationResult: 30 images, accuracy {accuracy}>",
    }
    assert re.fullmatch(
        r"<ProbeResult: probe of 3 classes, accuracy 0\.\d{4} \(0\.\d{4} to [01]\.\d{4}\)>",
        lines["ProbeResult"],
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_each_is_a_sequence(name: str, results: dict[str, AnyResult]) -> None:
    result = results[name]
    items = list(result)
    assert isinstance(result, Sequence) and len(result) == len(items) > 0
    assert result[0] is items[0] and result[-1] is items[-1]
    assert list(result[:2]) == items[:2] and list(reversed(result)) == items[::-1]
    assert items[-1] in result and "other" not in result
    assert all(isinstance(item, result.item_type) for item in items)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_notebook_shows_pictures(name: str, results: dict[str, AnyResult]) -> None:
    html = results[name]._repr_html_()
    assert 'alt="a &lt;b&gt;&amp;&#34; c.png"' in html and "<b>" not in html
    assert 'alt="caf\ufffd.png"' in html and html.encode()
    assert "the file is gone: gone.png" in html
    shown = re.findall(r'width="(\d+)" height="(\d+)"[^>]*src="data:image/jpeg;base64,', html)
    assert shown == [("64", "48")] * 2, "small pictures are not enlarged"
    assert "more</div>" not in html


def test_captions(results: dict[str, AnyResult]) -> None:
    def captions(name: str) -> list[str]:
        return re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", results[name]._repr_html_())

    assert captions("SearchResult") == ["1.000", "0.500", "0.333"]
    assert captions("Images") == ["photos"] * 3
    assert captions("ClusterResult")[:2] == ["0: a &lt;b&gt;&amp;&#34; c, 2", "1: cluster 1, 1"]
    assert captions("Outliers") == ["1.000", "0.500", "0.333"]
    assert captions("DuplicateResult") == [
        "1 similar: keep",
        "1 similar: 0.900",
        "1 similar: 0.800",
    ]


@pytest.mark.parametrize(("count", "more"), [(SHOWN, None), (SHOWN + 1, "1"), (3024, "3,000")])
def test_it_says_how_many_pictures_are_left_out(
    count: int, more: str | None, paths: list[Path]
) -> None:
    html = Assignments((Member(paths[0], 0, 0, 1.0),) * count)._repr_html_()
    assert html.count("<figure") == SHOWN
    assert re.findall(r"and ([\d,]+) more", html) == ([more] if more else [])


def test_nothing_found_is_said() -> None:
    assert "<figure" not in Outliers(())._repr_html_() and "none" in Outliers(())._repr_html_()


def test_a_notebook_shows_scores_as_a_table(results: dict[str, AnyResult]) -> None:
    html = results["EvaluationResult"]._repr_html_()
    score = results["EvaluationResult"][0]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)[:6]
    numbers = [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
    name = "a &lt;b&gt;&amp;&#34; c class0"
    assert cells == [name, str(score.support), str(score.predicted), *numbers]
    assert "most confident mistakes" in html and "<b>" not in html
    html = results["ComparisonResult"]._repr_html_()
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == [
        "a &lt;b&gt;&amp;&#34; c",
        "0.5000 (0.4000 to 0.6000)",
        "0.2500 (0.2000 to 0.3000)",
        "0.0000 (0.0000 to 0.0000)",
    ]


def test_a_notebook_shows_a_map_as_a_picture(results: dict[str, AnyResult]) -> None:
    html = results["MapResult"]._repr_html_()
    [(width, data)] = re.findall(r'width="(\d+)"[^>]*src="data:image/png;base64,([^"]+)"', html)
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.width == 2 * int(width) == 1664 and image.height == 1280


def test_a_table_says_how_to_install_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(EmbedtoolError, match="pip install 'pandas"):
        Outliers(()).to_pandas()
