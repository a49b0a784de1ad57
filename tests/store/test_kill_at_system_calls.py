"""kill -9 at exact system calls of whole commands, by strace: nothing is lost, nothing left behind.

`pytest tests/store/test_kill_at_system_calls.py -m long --kills 60 -s` kills each command 60 times.
"""

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from faults.system_calls import COMMANDS, RARE, faults, pictures, state

KILLS = 10  # of each command

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]


def moments(calls: Counter[str], count: int, seed: int) -> list[tuple[str, int]]:
    """Draw calls at which to kill: first each rare one, then any."""
    dice = random.Random(seed)
    rare = [(name, n) for name, most in calls.items() if name in RARE for n in range(1, most + 1)]
    others = [(name, n) for name, most in calls.items() if name not in RARE
              for n in range(most // 2, most + 1)]  # fmt: skip
    dice.shuffle(rare)
    dice.shuffle(others)
    return (rare[: count - count // 4] + others)[:count]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_ends_as_one_that_is_not(
    name: str, quick: Path, pytestconfig: pytest.Config
) -> None:
    command = COMMANDS[name]
    base, folder = quick / "base", quick / "folder"
    command.prepare(folder)  # every run has this path: an index knows those of its photos
    shutil.copytree(folder, base, symlinks=True)
    before = pictures(folder)
    calls = command.count(folder)
    expected = state(folder)
    assert set(pictures(folder)) == set(before)
    killed: Counter[str] = Counter()
    wrong = []
    for call, number in moments(calls, pytestconfig.getoption("kills") or KILLS, seed=1):
        shutil.rmtree(folder)
        shutil.copytree(base, folder, symlinks=True)
        if command.kill(folder, call, number):
            killed[call] += 1
        wrong += [
            f"{call} {number}: {fault}" for fault in faults(command, folder, before, expected)
        ]
    print(f"\n{name}: {killed.total()} kills, {dict(killed)}, of {dict(calls)}")
    assert wrong == []
    assert killed.total() > KILLS // 2
