"""A name is text on every page: no element and no attribute comes from it."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from support.pictures import picture, save

from embedtool.classification.cluster_agreement import Agreement
from embedtool.classification.compare_vectors import ClassChange, Comparison, Measure, Moved
from embedtool.classification.intervals import Estimate
from embedtool.classification.metrics import evaluate
from embedtool.classification.mistakes import Mistake
from embedtool.duplicates.results import DuplicateGroup, Duplicates
from embedtool.explore.results import Cluster, ClusterReport, Map, Member
from embedtool.explore.thumbnails import NO_THUMBNAILS
from embedtool.finetune.tune_report import TuneReport, TuneTrial
from embedtool.report.clusters_page import clusters_page
from embedtool.report.comparison_page import comparison_page
from embedtool.report.duplicates_page import duplicates_page
from embedtool.report.evaluation_page import evaluation_page
from embedtool.report.map_page import map_page
from embedtool.report.search_page import search_page
from embedtool.report.tuning_page import tuning_page
from embedtool.search.results import Match, QueryMatches

Build = Callable[[str, Path, Path], str]  # of a text, a photo and a photo that is gone

HOSTILE = os.fsdecode(
    b"</script><script>alert(1)</script></style><b id=x>&\"'`{{ 7*7 }}<!--\xff"
    + "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe".encode()
)
LABELLED = {"cluster", "label", "prediction"}
ESTIMATE = Estimate(0.5, 0.4, 0.6)


class Parsed(HTMLParser):
    """tags: each start tag with the names of its attributes; text: what a reader sees, with what
    shows under the pointer; data: the JSON of a map."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.links: list[str] = []
        self.text = self.data = self.policy = ""
        self.scripts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attributes]))
        given = {name: value or "" for name, value in attributes}
        self.text += "\n".join(["", given.get("title", ""), given.get("alt", ""), ""])
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self.links += [given[name] for name in ("href", "src") if name in given]

    def handle_data(self, text: str) -> None:
        if self.cdata_elem is None:
            self.text += text
        elif self.tags[-1] == ("script", ["type", "id"]):
            self.data += text
        elif self.cdata_elem == "script":
            self.scripts.append(text)

    def handle_comment(self, text: str) -> None:
        self.tags.append(("comment", []))


def search(text: str, photo: Path, gone: Path) -> str:
    return search_page([QueryMatches(str(photo), (Match(1, photo, 1.0), Match(2, gone, 0.5)))])


def duplicates(text: str, photo: Path, gone: Path) -> str:
    kinds = ("identical", "near-identical", "edited", "similar")
    both, digests = (photo, gone), ("", "")
    groups = [DuplicateGroup(k, photo, text, both, (1.0, 0.9), (), False, digests) for k in kinds]
    return duplicates_page(Duplicates(photo.parent, (photo.parent,), 9, tuple(groups), (text,)))


def clusters(text: str, photo: Path, gone: Path) -> str:
    both = (photo, gone)
    cluster = Cluster(0, text, 2, 1.0, both, both, both)
    members = tuple(Member(path, 0, 0, 1.0) for path in both)
    return clusters_page(
        ClusterReport(photo.parent, (cluster,), members, 0, 2, 0.5, 0, notes=(text,))
    )


def evaluation(text: str, photo: Path, gone: Path) -> str:
    found = evaluate([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], [text, f"{text} 2"])
    mistakes = [Mistake(path, text, f"{text} 2", 0.9) for path in (photo, gone)]
    epochs = [{"epoch": number, "loss": 1.0, "accuracy": 0.5} for number in (1, 2)]
    return evaluation_page(found, title=text, mistakes=mistakes, curves=epochs, notes=[text])


def comparison(text: str, photo: Path, gone: Path) -> str:
    found = Comparison(
        indexes=(photo, gone),
        models=(text, text),
        images=2,
        classes=(text,),
        measures=(Measure(text, ESTIMATE, ESTIMATE, ESTIMATE),),
        overlap=ESTIMATE,
        agreement=Agreement(2, (1, 1), 1.0, 1.0),
        per_class=(ClassChange(text, 2, 0.5, 1.0),),
        moved=(Moved(photo, text, 0.5, photo, gone),),
        strengths=(1.0, 1.0),
        queries=2,
        seed=0,
        notes=(text,),
    )
    return comparison_page(found)


def tuning(text: str, photo: Path, gone: Path) -> str:
    trials = (TuneTrial(0, True, 0.5, 1, 1.0, {text: text}),)
    return tuning_page(TuneReport(photo.parent, gone, text, 9, 9, trials, 0, {text: 1.0}, 0, 1.0))


def mapped(text: str, photo: Path, gone: Path) -> str:
    paths = (photo, gone)
    found = Map(
        index=photo,
        paths=paths,
        vectors=np.array([1, 2]),
        coordinates=np.zeros((2, 2), np.float32),
        placed=np.zeros(2, bool),
        labels=(text, text),
        folders=tuple(str(path.parent) for path in paths),
        dates=np.zeros(2, "M8[s]"),
        clusters=np.array([0, -1], np.int32),
        cluster_names=(text,),
        neighbours=2,
        seed=0,
        notes=(text,),
        predictions=(text, text),
        probabilities=np.ones(2, np.float32),
    )
    return map_page(found, NO_THUMBNAILS, "label")[0]


def photos(folder: Path, text: str) -> tuple[Path, Path]:
    """One that is there, and one that is gone; where text has a slash, a folder ends."""
    photo = save(folder / f"{text}.png", picture(1))
    return photo, photo.with_name(f"gone {photo.name}")


@pytest.mark.parametrize(
    "build", [search, duplicates, clusters, evaluation, comparison, tuning, mapped]
)
def test_a_name_adds_nothing_but_text(build: Build, tmp_path: Path) -> None:
    label = f"label {HOSTILE}"
    harmless = "x" * len(label)  # as long, so that charts shorten both
    plain = Parsed(build(harmless, *photos(tmp_path / "plain", "a/b/c/d")))
    photo, gone = photos(tmp_path, HOSTILE)
    page = build(label, photo, gone)
    found = Parsed(page)
    assert found.tags == plain.tags
    assert all(link.startswith(("file:///", "data:image/", "#c0")) for link in found.links)
    assert not any("\ud800" <= letter <= "\udfff" or letter == "\u202e" for letter in page)
    assert found.policy == plain.policy
    scripts = found.policy.partition("; script-src ")[2]
    assert scripts == (" ".join(map(digest, found.scripts)) if build is mapped else "")
    assert found.text.count(legible(label)) == plain.text.count(harmless)
    if build is mapped:
        data = json.loads(found.data)
        assert data["names"] == f"{photo.name}/{gone.name}"
        assert all(label in one["names"] for one in data["colourings"] if one["name"] in LABELLED)
        assert legible(photo.name) in found.text, "the title is the name of the index"
    elif build is tuning:
        assert legible(str(gone)) in found.text, "the file of settings"
    else:
        assert {legible(str(photo)), legible(str(gone))} <= set(found.text.splitlines())
        assert "the file is gone" in found.text and "data:image/jpeg" in page


def digest(script: str) -> str:
    """The source of a policy that allows this script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def legible(text: str) -> str:
    return text.replace("\udcff", "\ufffd").replace("\u202e", "\\u202e")
