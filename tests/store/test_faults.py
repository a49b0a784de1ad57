"""The n-th file operation fails, for every n: a clean error, the old version whole, a retry works.

`pytest tests/store/test_faults.py --every -s` is the long mode.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from faults.campaign import fail, step_name
from faults.driver import FAULTS, KILLS, Driver
from faults.scenarios import SCENARIOS

pytestmark = pytest.mark.slow

QUICK = ["ENOSPC", "EIO", "EMFILE", "short"]
MOST = {"delete": None}  # every operation in every run of the tests; of the others fewer


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_file_operation_fails(
    driver: Driver, quick: Path, pytestconfig: pytest.Config, name: str
) -> None:
    long = pytestconfig.getoption("every")
    kinds, most = (list(FAULTS), None) if long else (QUICK, MOST.get(name, 8))
    tally = fail(SCENARIOS[name](driver, quick), kinds, most=most)
    print(tally)
    assert tally.wrong == []
    assert {kind for kind, _ in tally.ends} >= set(QUICK)


def in_order(steps: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the wanted steps occur among the steps in this order."""
    left = iter(steps)
    return all(step in left for step in wanted)


def test_a_commit_is_on_disk_before_it_is_named(driver: Driver, quick: Path) -> None:
    """A kill cannot show a missing fsync; the order of the steps can."""
    steps = SCENARIOS["commit"](driver, quick).steps(KILLS["before"])
    segment, draft = "vectors/NNNNNN.npy", "vectors/.NNNNNN.npy-DIGEST"
    assert in_order(
        [step_name(step) for step in steps],
        [
            f"write {draft}",
            f"fsync {draft}",
            f"rename {segment}",
            "fsync vectors",
            "fdatasync catalog.sqlite-journal",
            "pwrite64 catalog.sqlite",
            "fdatasync catalog.sqlite",
            "unlink catalog.sqlite-journal",
            "write .catalog.sha256-DIGEST",
            "fsync .catalog.sha256-DIGEST",
            "rename catalog.sha256",
            "fsync .",
        ],
    )


def test_old_segments_go_only_when_the_new_catalogue_cannot_come_undone(
    driver: Driver, quick: Path
) -> None:
    """A journal that a power cut brings back would name segments that are gone."""
    steps = SCENARIOS["compact"](driver, quick).steps(KILLS["before"])
    first = next(n for n, step in enumerate(steps) if step.startswith("unlink vectors/"))
    assert steps[first - 2 : first] == ["unlink catalog.sqlite-journal", "fdatasync ."]
