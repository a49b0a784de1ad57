"""Probes that a stranger crafted, each with a digest that fits: one clear error each."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from support.command import embedtool_here
from support.labelled import labelled_index
from untrusted.audit import only_inside

from embedtool.classification.probe import CARD, TENSORS, _digest

Craft = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a probe beside it."""
    folder = tmp_path_factory.mktemp("whole")
    index = labelled_index(folder, 40)
    assert embedtool_here("probe", "train", index, "--out", folder / "probe").code == 0
    return folder


def crafted(
    card: dict[str, Any] | None = None,
    without: tuple[str, ...] = (),
    **tensors: Callable[[np.ndarray], np.ndarray],
) -> Craft:
    """Change the card and the tensors, and sign them."""

    def craft(probe: Path) -> None:
        described = json.loads((probe / CARD).read_text()) | (card or {})
        arrays = load((probe / TENSORS).read_bytes())
        for name, change in tensors.items():
            arrays[name] = np.ascontiguousarray(change(arrays.get(name, np.zeros(1))))
        for name in without:
            described.pop(name, None)
            arrays.pop(name, None)
        content = save(arrays)
        described.pop("sha256")
        described["sha256"] = _digest(described, content)
        (probe / TENSORS).write_bytes(content)
        (probe / CARD).write_text(json.dumps(described))

    return craft


def pipe(name: str) -> Craft:
    def craft(probe: Path) -> None:
        (probe / name).unlink()
        os.mkfifo(probe / name)

    return craft


REFUSED: dict[str, Craft] = {
    "too few classes": crafted({"classes": ["a"]}),
    "no classes": crafted({"classes": []}, weights=lambda w: w[:0], bias=lambda b: b[:0]),
    "classes that are no texts": crafted({"classes": [1, 2, 3]}),
    "classes as one text": crafted({"classes": "abc"}, weights=lambda w: w[:, None]),
    "a class twice": crafted({"classes": ["a", "a", "b"]}),
    "fingerprint is a number": crafted({"fingerprint": 5}),
    "no model": crafted(without=("model",)),
    "an unknown key": crafted({"run": "touch ran"}),
    "temperature of zero": crafted({"temperature": 0}),
    "one class": crafted({"classes": ["a"]}, weights=lambda w: w[:1], bias=lambda b: b[:1]),
    "a strength without end": crafted({"strength": 10**400}),
    "weights without end": crafted(weights=lambda w: w * np.float32(1e30)),
    "an old format with numbers": crafted(
        {"embedtool probe": 2}, trained=lambda t: np.full((3, 3), 1 << 40)
    ),
    "temperature NaN": crafted({"temperature": float("nan")}),
    "strength is a text": crafted({"strength": "1"}),
    "report is a list": crafted({"report": []}),
    "a salt that is no hex": crafted({"salt": "x"}),
    "a newer format": crafted({"embedtool probe": 99}),
    "an unknown activation": crafted({"activation": "system"}),
    "an activation without a layer": crafted({"activation": "relu"}),
    "another standardisation": crafted({"standardisation": "yes"}),
    "no weights": crafted(without=("weights",)),
    "weights of three dimensions": crafted(weights=lambda w: w[None]),
    "weights of no dimension": crafted(weights=lambda w: w[:, :0]),
    "weights of integers": crafted(weights=lambda w: w.astype(np.int8)),
    "weights of NaN": crafted(weights=lambda w: w * np.float32(np.nan)),
    "bias of another length": crafted(bias=lambda b: b[:1]),
    "bias infinite": crafted(bias=lambda b: b + np.float32(np.inf)),
    "training images of one dimension": crafted(trained=lambda t: t.ravel()),
    "training images as floats": crafted(trained=lambda t: t.astype(np.float32)),
    "training images too short": crafted(trained=lambda t: t[:, :3]),
    "weights of other vectors": crafted(weights=lambda w: w[:, 1:]),
    "a hidden layer of other vectors": crafted(
        {"activation": "relu"},
        hidden_weights=lambda _: np.ones((24, 7), np.float32),
        hidden_bias=lambda _: np.ones(24, np.float32),
    ),
    "a hidden layer that does not fit": crafted(
        {"activation": "relu"},
        hidden_weights=lambda _: np.ones((5, 24), np.float32),
        hidden_bias=lambda _: np.ones(5, np.float32),
    ),
    "tensors: a pipe": pipe(TENSORS),
    "card: a pipe": pipe(CARD),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_probe_that_is_not_ours_is_refused(
    command: str, case: str, whole: Path, tmp_path: Path
) -> None:
    probe = Path(shutil.copytree(whole / "probe", tmp_path / "probe"))
    REFUSED[case](probe)
    with only_inside(tmp_path):
        done = embedtool_here("probe", command, whole / "index", "--probe", probe)
    assert done.code in (1, 2, 5) and done.out == "", (done.out, done.err)
    assert done.err.startswith("error: ") and done.err.count("\n") == 1


def test_the_crafted_ones_differ_from_ours_only_where_they_say(whole: Path, tmp_path: Path) -> None:
    probe = Path(shutil.copytree(whole / "probe", tmp_path / "probe"))
    crafted()(probe)
    assert embedtool_here("probe", "predict", whole / "index", "--probe", probe).code == 0
