"""Fixtures. Real photos and weights are used where ../shared stands beside the checkout."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.driver import Driver
from hypothesis import HealthCheck, settings
from support.browser import BROWSER, Page, browser
from support.shared import SHARED, link_files

LONG = {  # option: what its number counts; without it a test does what fits into every run
    "--kills": "kill -9, at every step and at random times",
    "--cuts": "power cuts of a file system, as root",
    "--flips": "bit flips and truncations",
    "--mutations": "broken pictures that are decoded",
    "--minutes": "of one writer and four readers",
    "--machine": "examples of the state machine",
}
# Before numpy and faiss are loaded: their threads sleep where they wait for each other. Spinning,
# as they do else, they take a third of the processor time of tests of search and classification.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # 2 ** 4 cycles, the least
settings.register_profile("embedtool", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("embedtool")  # no test depends on how busy the machine is


LONGEST = [  # files that take longest: begun first, so that none runs by itself at the end
    "test_examples.py",
    "test_finetune_output.py",
    "test_find_duplicates.py",
    "test_train.py",
    "test_backbone.py",
    "test_tune.py",
    "test_faults.py",
    "test_kill.py",
    "test_flips.py",
    "test_map_page.py",
    "test_map.py",
    "test_clusters.py",
    "test_docstrings.py",
    "test_library_examples.py",
    "test_documentation.py",
]


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # else xdist begins with the most tests, not minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("embedtool", "long modes, beside what every run does")
    for name, counted in LONG.items():
        group.addoption(name, type=int, help=counted)
    group.addoption("--every", action="store_true", help="fail every operation in every way")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's cache or writes beside the checkout, and none reaches for
    a model host. Models imported and compiled are shared by all processes of a run; a test that
    damages one does so in another cache."""
    cache = tmp_path_factory.mktemp("cache")
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    for name in ("models", "compiled"):
        (run / "shared-cache" / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(run / "shared-cache" / name)
    link_files(SHARED / "tfhub_modules", cache / "tfhub")
    link_files(SHARED / "keras_home" / "models", cache / "keras" / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDTOOL_CACHE_DIR", str(cache))
        patch.setenv("TFHUB_CACHE_DIR", str(cache / "tfhub"))
        patch.setenv("KERAS_HOME", str(cache / "keras"))
        patch.setenv("https_proxy", "http://127.0.0.1:9")  # refuses at once, online or not
        yield cache


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """The process under the shim that children with a fault are forked from."""
    with quick_folder() as folder:
        try:
            driver = Driver(folder)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield driver
        driver.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if BROWSER is None:
        pytest.skip("needs a Chromium, which this machine does not have")
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def quick() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@contextmanager
def quick_folder() -> Iterator[Path]:
    """An empty folder in memory where there is one: a kill leaves the same there as on a disk, and
    thousands of fsyncs cost nothing."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def clothing() -> Path:
    return _shared("photos/clothing")


@pytest.fixture(scope="session")
def hub_module() -> Path:
    return _shared("tfhub_modules/5a2fc00b609485c742fba2c65fadaca6c99a835c")


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/{name}, which this machine does not have")
    return path


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 pictures of 12 kinds, one exact copy, one cut off."""
    from embedtool.images.drawn import draw_photos

    folder = tmp_path_factory.mktemp("drawn") / "photos"
    draw_photos(folder, per_kind=3)
    return folder
