"""Flipped bits, cut files and lost blocks: found, or without a trace in any answer.

`pytest tests/store/test_flips.py --flips 12000 -s` is the long mode.
"""

import shutil
from pathlib import Path

import pytest
from faults.campaign import Tally, damage_files
from faults.driver import Driver
from faults.scenarios import SCENARIOS

from embedtool.errors import IndexDamaged
from embedtool.models import load_backbone
from embedtool.models.find_model import BUILTIN
from embedtool.store.reader import IndexReader

pytestmark = pytest.mark.slow

FLIPS = 400  # in every run of the tests
OF_INDEX = 0.75  # of them; the others are of the model cache


def test_a_header_that_numpy_cannot_parse_is_damage(driver: Driver, quick: Path) -> None:
    made = SCENARIOS["create"](driver, quick)
    made.begin()
    driver.value("update_index", str(made.index), *made.arguments)
    file = made.index / "vectors" / "000001.npy"
    data = file.read_bytes()
    with IndexReader(made.index) as opened:
        first = opened.image(1) or pytest.fail("no image 1")
    file.write_bytes(data.replace(b"}", b"]", 1))  # numpy.load raises a TokenError
    with IndexReader(made.index) as opened:
        again = opened.image(1)
        assert again and again[0] == first[0] and (again[1] == first[1]).all()
        with pytest.raises(IndexDamaged, match=r"000001\.npy"):
            list(opened.blocks())


def check_damage(tally: Tally, count: int) -> None:
    print(tally)
    assert tally.wrong == []
    assert tally.total == count
    assert any(end.startswith("same") for _, end in tally.ends), "nothing was harmless?"


def test_every_file_of_an_index(driver: Driver, quick: Path, pytestconfig: pytest.Config) -> None:
    count = int((pytestconfig.getoption("flips") or FLIPS) * OF_INDEX)
    made = SCENARIOS["publish"](driver, quick)
    arguments = [str(made.index), str(made.base), str(quick / "photos")]
    tally = damage_files(driver, "damage", made.base, count, arguments)
    check_damage(tally, count)
    assert {name for name, _ in tally.injected} == {
        "catalog.sqlite",
        "catalog.sha256",
        "vectors/NNNNNN.npy",
        "derived/search.json",
        "derived/search-DIGEST.faiss",
    }


@pytest.mark.parametrize("kind", ["model folder", "compiled"])
def test_every_file_of_the_model_cache(
    driver: Driver,
    quick: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    cache = quick / "cache"
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(cache))
    count = int((pytestconfig.getoption("flips") or FLIPS) * (1 - OF_INDEX) / 2)
    if kind == "compiled":
        spec, precision = "builtin", "float32"
        folder = load_backbone(spec, precision=precision).compiled().parent
    else:
        folder = Path(shutil.copytree(BUILTIN, quick / "model"))
        spec, precision = str(folder), "int8"
    arguments = [str(folder), spec, precision, str(cache)]
    check_damage(damage_files(driver, "damage_model", folder, count, arguments), count)
