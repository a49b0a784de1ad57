"""Every public name has a docstring with an example, and every example runs as it stands."""

import inspect
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from support.doctests import run_doctest

import embedtool
from embedtool import Index

SLOW = {"compare_indexes", "finetune_model", "run_demo", "tune_model"}
METHODS = [name for name in dir(Index) if not name.startswith("_")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of the examples: photos, and an index of them. It has a cache of its own,
    because an example adds a model to the cache."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EMBEDTOOL_CACHE_DIR", str(folder / "cache"))
        run_doctest(embedtool)
        yield folder


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in embedtool.__all__
    ],
)
def test_the_example_of_a_public_name(name: str, prepared: Path) -> None:
    run_doctest(getattr(embedtool, name), name)


@pytest.mark.parametrize("name", METHODS)
def test_the_example_of_a_method(name: str, prepared: Path) -> None:
    run_doctest(inspect.getattr_static(Index, name), name)


def test_the_examples_leave_photos_and_index_as_they_were(prepared: Path) -> None:
    """They are run in any order: none may change what another reads."""
    report = embedtool.index_photos("photos", index="indexes/photos")
    assert (report.unchanged, report.rejected, report.total) == (361, 1, 362)


def test_public_names_are_few() -> None:
    assert len(embedtool.__all__) <= 40
    assert {"cluster", "duplicates", "images", "probe", "search", "vectors"} <= set(METHODS)


def test_the_version_is_that_of_the_distribution() -> None:
    assert embedtool.__version__ == version("embedtool")
