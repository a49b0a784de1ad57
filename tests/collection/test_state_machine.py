"""Whatever happens to a folder and to the processes that index it, the index ends as the folder.

`pytest tests/collection/test_state_machine.py --machine 1000` is the long mode.
"""

import shutil
import signal
from pathlib import Path

import hypothesis.strategies as st
import pytest
from faults.driver import KILLS, Call, Driver
from faults.photos import Photos, painted
from faults.scenarios import State, agree, settled, value_of
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

EXAMPLES = 20  # in every run of the tests
STEPS = 25
NAMES = st.sampled_from(["0.png", "a/1.png", "a/2.png", "a/b/3.png", "c/4.png", "c/5.png"])
FOLDERS = st.sampled_from(["a", "a/b", "c", "d", "e/f"])
SEEDS = st.integers(0, 7)  # few, so that contents come back
BROKEN = st.sampled_from([b"\x89PNG\r\n\x1a\n", painted(0)[:50], b""])
DEATHS = st.none() | st.tuples(st.sampled_from(sorted(KILLS)), st.integers(1, 120))


class Machine(RuleBasedStateMachine):
    """`photos` keeps the model, a dict of what each file is; `held` is what the index held when it
    was last looked at."""

    driver: Driver
    place: Path

    @initialize()
    def begin(self) -> None:
        self.photos = Photos(self.place / "photos")
        self.photos.paint("always.png", 100)  # a folder without any image is refused
        self.index = str(self.place / "index")
        self.held: State = self.driver.value("look", self.index)

    def teardown(self) -> None:
        for name in ("photos", "index"):
            shutil.rmtree(self.place / name, ignore_errors=True)

    @rule(name=NAMES, seed=SEEDS)
    def add_or_change(self, name: str, seed: int) -> None:
        self.photos.paint(name, seed)

    @rule(name=NAMES, content=BROKEN)
    def break_file(self, name: str, content: bytes) -> None:
        self.photos.write(name, content)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        if old in self.photos.held and old != new:
            self.photos.move(old, new)

    @rule(old=FOLDERS, new=FOLDERS)
    def move_folder(self, old: str, new: str) -> None:
        source, target = self.photos.folder / old, self.photos.folder / new
        if source.exists() and not target.exists() and source not in target.parents:
            self.photos.move(old, new)

    @rule(name=NAMES | FOLDERS)
    def delete(self, name: str) -> None:
        if (self.photos.folder / name).exists():
            self.photos.remove(name)

    @rule(death=DEATHS)
    def sync(self, death: tuple[str, int] | None) -> None:
        whole = self.run(Call("update_index", (self.index, str(self.photos.folder))), death)
        images, rejects = self.photos.model()
        if whole:
            agree(self.held, images, rejects)
            assert settled(self.held) == []

    @rule(death=DEATHS)
    def compact(self, death: tuple[str, int] | None) -> None:
        if not Path(self.index, "catalog.sqlite").exists():
            return
        before = self.held
        whole = self.run(Call("compact", (self.index,)), death)
        assert (self.held["images"], self.held["rejects"]) == (before["images"], before["rejects"])
        if whole:
            assert self.held["dead"] == 0
            # What a killed run noted of its decoding is for the next one that decodes.
            stray = [name for name in self.held["stray"] if name != "decoding"]
            assert settled({**self.held, "stray": stray}) == []

    def run(self, call: Call, death: tuple[str, int] | None) -> bool:
        """Do a call, or die in it; whatever the index holds then of each path, it held before or
        holds of the folder as it is. Whether the call came to its end."""
        if death:
            kind, n = death
            call = Call(call.name, call.arguments, self.index, KILLS[kind], n)
        answer = self.driver.request(call)
        assert answer.signal in (0, signal.SIGKILL)
        if not answer.signal:
            value_of(answer.results[0], call.name)
        before, self.held = self.held, self.driver.value("look", self.index)
        for kind, now in zip(("images", "rejects"), self.photos.model(), strict=True):
            for path in before[kind].keys() | self.held[kind].keys() | now.keys():
                held = self.held[kind].get(path)
                assert held in (before[kind].get(path), now.get(path)), path
        return answer.signal == 0


@pytest.mark.slow
def test_the_index_ends_as_the_folder(
    driver: Driver, quick: Path, pytestconfig: pytest.Config
) -> None:
    class Here(Machine):
        pass

    Here.driver, Here.place = driver, quick
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=pytestconfig.getoption("machine") or EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
