"""Retired words stand in no name, message, help text, docstring or page."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RETIRED = {
    *("album", "alike", "anew", "asked", "bearings", "care", "careless", "corridor", "everyone"),
    *("floor", "heap", "house", "judged", "lesson", "portrait", "room", "shipment", "spare"),
    *("survey", "telling", "told", "untold", "walk"),
}
ALLOWED = {
    # Keys of probe.json and report.json, which earlier files have.
    "classification/train.py": {"alike", "care", "judged", "untold"},
    "finetune/report.py": {"judged"},
    "images/drawn.py": {"portrait"},  # the orientation of a photo
    "report/charts.py": {"floor"},  # math.floor
    "templates/map_data.js": {"floor"},  # Math.floor
    "templates/map_drawing.js": {"floor"},
}
TEXTS = [
    *ROOT.glob("embedtool/**/*.py"),
    *ROOT.glob("embedtool/report/templates/*"),
    *ROOT.glob("examples/*.py"),
    *ROOT.glob("docs/*.md"),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]


def test_no_retired_word_is_used() -> None:
    """Whole words and parts of names count: told_classes, ToldClass and "told"."""
    found = {}
    for path in TEXTS:
        parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", f"{path.stem} {path.read_text()}")
        if words := {part.lower() for part in parts} & RETIRED:
            found[f"{path.parent.name}/{path.name}"] = words
    assert found == ALLOWED
