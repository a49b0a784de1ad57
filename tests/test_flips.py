"""Flipped bits, cut files and lost blocks: found, or without a trace in any answer.

`pytest tests/test_flips.py --flips 12000 -s` is the long mode.
"""

import shutil
from pathlib import Path

import pytest
from faults.campaign import Tally, hurt
from faults.driver import Driver
from faults.scenarios import SCENARIOS

from embedtool.backbones import load_backbone
from embedtool.backbones.resolve import BUILTIN

FLIPS = 2000  # in every run of the tests
OF_INDEX = 0.75  # of them; the others are of the model cache


def judge(tally: Tally, count: int) -> None:
    print(tally)
    assert tally.wrong == []
    assert tally.total == count
    assert any(end.startswith("same") for _, end in tally.ends), "nothing was harmless?"


def test_every_file_of_an_index(driver: Driver, quick: Path, pytestconfig: pytest.Config) -> None:
    count = int((pytestconfig.getoption("flips") or FLIPS) * OF_INDEX)
    made = SCENARIOS["create"](driver, quick)
    made.begin()
    driver.value("bring", str(made.index), *made.arguments)
    shutil.copytree(made.index, made.base)
    arguments = [str(made.index), str(made.base), *made.arguments]
    tally = hurt(driver, "damage", made.base, count, arguments)
    judge(tally, count)
    assert {"catalog.sqlite", "catalog.sha256", "vectors/NNNNNN.npy"} == {
        name for name, _ in tally.injected
    }


@pytest.mark.parametrize("kind", ["model folder", "compiled"])
def test_every_file_of_the_model_cache(
    driver: Driver, quick: Path, pytestconfig: pytest.Config, kind: str
) -> None:
    count = int((pytestconfig.getoption("flips") or FLIPS) * (1 - OF_INDEX) / 2)
    if kind == "compiled":
        folder, spec = load_backbone("builtin", precision="float32").compiled().parent, "builtin"
    else:
        folder = quick / "model"
        shutil.copytree(BUILTIN, folder)
        spec = str(folder)
    judge(hurt(driver, "damage_model", folder, count, [str(folder), spec]), count)
