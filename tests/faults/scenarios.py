"""The operations that are killed and failed at every step, each with what it starts from and what
it must end in."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.driver import Call, Driver, Kind, Result
from faults.photos import Held, Photos

State = dict[str, Any]  # what actions.look returns


@dataclass
class Scenario:
    """`call` brings an index from `before` to `after`. renames: (old, new) paths of one image."""

    name: str
    driver: Driver
    place: Path
    action: str  # in actions.py; its first argument is the index
    arguments: tuple[str, ...] = ()
    renames: list[tuple[str, str]] = field(default_factory=list)
    before: State = field(default_factory=dict)
    after: State = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """An index in the state before; missing where the scenario makes one."""
        return self.place / "base"

    @property
    def index(self) -> Path:
        return self.place / "index"

    def call(self, kind: Kind | None = None, n: int = 0, *, armed: bool = True) -> Call:
        folder = str(self.index) if armed else ""
        return Call(self.action, (str(self.index), *self.arguments), folder, kind, n)

    def look(self) -> Call:
        return Call("look", (str(self.index),))

    def begin(self) -> None:
        """Put the index back to the state before."""
        shutil.rmtree(self.index, ignore_errors=True)
        if self.base.exists():
            shutil.copytree(self.base, self.index)

    def steps(self, kind: Kind | None = None) -> list[str]:
        """The operations of an undisturbed run that a kind of fault counts, in order."""
        self.begin()
        [result] = self.driver.request(self.call(kind)).results
        value_of(result, self.name)
        return result.steps

    def ready(self) -> "Scenario":
        """Learn before and after from undisturbed runs."""
        self.begin()
        answer = self.driver.request(
            self.look(), self.call(), self.look(), self.call(), self.look()
        )
        self.before, _, self.after, _, again = (value_of(r, self.name) for r in answer.results)
        assert self.after == again, f"{self.name}: a second run changes what the first one made"
        assert settled(self.after) == []
        return self

    def between(self, state: State, before: State) -> list[str]:
        """What is wrong with a state that an interrupted run left, coming from `before`."""
        faults = []
        for kind in ("images", "rejects"):
            old, now, new = before[kind], state[kind], self.after[kind]
            faults += [
                f"{kind} {path}: {old.get(path)} became {now.get(path)}"
                for path in old.keys() | now.keys() | new.keys()
                if now.get(path) not in (old.get(path), new.get(path))
            ]
        faults += [
            f"{part}: {before[part]} became {state[part]}"
            for part in ("search", "export")
            if state[part] not in (before[part], self.after[part])
        ]
        for old_path, new_path in self.renames:
            if (old_path in state["images"]) == (new_path in state["images"]):
                faults.append(f"{old_path} -> {new_path} is not one image")
        return faults

    def end(self, state: State) -> list[str]:
        """What is wrong with a state that a completed run left."""
        return [
            f"{part}: expected {self.after[part]}, found {state[part]}"
            for part in ("images", "rejects", "vectors", "dead", "search", "export")
            if state[part] != self.after[part]
        ] + settled(state)


def settled(state: State) -> list[str]:
    """What a completed run must not leave."""
    faults = []
    if state["stray"]:
        faults.append(f"files that belong to nobody: {state['stray']}")
    if state["vectors"] != len({image[2] for image in state["images"].values()}):
        faults.append("vectors that no image holds, or one content twice")
    return faults


def value_of(result: Result, name: str) -> Any:
    assert not result.error, f"{name}: {result.error}: {result.message}"
    return result.value


def agree(state: State, images: Held, rejects: Held) -> None:
    """An index holds what the model says."""
    assert state["images"] == images
    assert state["rejects"] == {path: list(held) for path, held in rejects.items()}


def _sample_photos(place: Path) -> Photos:
    """Nine pictures, one a copy, two broken, in three folders."""
    photos = Photos(place / "photos")  # makes the place too
    for seed in range(4):
        photos.paint(f"a/{seed}.png", seed)
    for seed in range(4, 8):
        photos.paint(f"b/{seed}.png", seed)
    photos.paint("b/copy of 0.png", 0)
    photos.write("a/broken.png", b"\x89PNG\r\n\x1a\n broken")
    photos.write("b/cut.png", photos.folder.joinpath("a/1.png").read_bytes()[:60])
    return photos


def _index(driver: Driver, place: Path, *photos: Path) -> None:
    driver.value("update_index", str(place / "base"), *map(str, photos))


def _create(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    made = Scenario("create", driver, place, "update_index", (str(photos.folder),)).ready()
    agree(made.after, *photos.model())
    return made


def _commit(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    _index(driver, place, photos.folder)
    photos.paint("a/0.png", 20)  # changed: its old content lives on in a copy
    photos.paint("a/1.png", 21)
    photos.move("a/2.png", "a/zwei.png")
    photos.move("b/5.png", "c/5.png")
    photos.write("b/6.png", b"\x89PNG\r\n\x1a\n no more")
    photos.paint("a/broken.png", 22)
    photos.paint("c/new.png", 23)
    photos.paint("c/copy of 3.png", 3)
    photos.paint("c/other.png", 24)
    photos.remove("b/7.png")
    renames = [("a/2.png", "a/zwei.png"), ("b/5.png", "c/5.png")]
    whole = [(str(photos.folder / a), str(photos.folder / b)) for a, b in renames]
    made = Scenario("commit", driver, place, "update_index", (str(photos.folder),), whole).ready()
    agree(made.after, *photos.model())
    return made


def _delete(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    _index(driver, place, photos.folder)
    for name in ("a/1.png", "a/2.png", "b/4.png", "b/cut.png"):
        photos.remove(name)
    made = Scenario("delete", driver, place, "update_index", (str(photos.folder),)).ready()
    agree(made.after, *photos.model())
    return made


def _merge_roots(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    _index(driver, place, photos.folder / "a", photos.folder / "b")
    made = Scenario("merge roots", driver, place, "update_index", (str(photos.folder),)).ready()
    agree(made.after, *photos.model())
    return made


def _compact(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    _index(driver, place, photos.folder)
    for name in ("a/1.png", "b/4.png", "b/cut.png"):
        photos.remove(name)
    _index(driver, place, photos.folder)
    made = Scenario("compact", driver, place, "compact").ready()
    assert made.before["dead"] == 2 and made.after["dead"] == 0
    agree(made.after, *photos.model())
    return made


def _publish(driver: Driver, place: Path) -> Scenario:
    photos = _sample_photos(place)
    for seed in range(30, 60):
        photos.paint(f"c/{seed}.png", seed)
    _index(driver, place, photos.folder)
    driver.value("publish", str(place / "base"))
    for name in ("a/1.png", "c/40.png"):
        photos.remove(name)
    photos.paint("c/60.png", 60)
    _index(driver, place, photos.folder)
    made = Scenario("publish", driver, place, "publish").ready()
    assert (made.before["search"], made.after["search"]) == (38, 39)
    agree(made.after, *photos.model())
    return made


def _export(name: str) -> Callable[[Driver, Path], Scenario]:
    def make(driver: Driver, place: Path) -> Scenario:
        """An earlier export is replaced."""
        photos = _sample_photos(place)
        _index(driver, place, photos.folder)
        driver.value("export", str(place / "base"), name)
        photos.paint("c/9.png", 9)
        photos.remove("a/1.png")
        _index(driver, place, photos.folder)
        made = Scenario(f"export {name}", driver, place, "export", (name,)).ready()
        images = made.after["images"]
        assert made.after["export"] == {path: held[3] for path, held in images.items()}
        assert made.before["export"] != made.after["export"]
        return made

    return make


def _upgrade(driver: Driver, place: Path) -> Scenario:
    place.mkdir(exist_ok=True)
    shutil.copytree(Path(__file__).parent.parent / "store" / "format-1", place / "base")
    return Scenario("upgrade", driver, place, "upgrade").ready()


SCENARIOS: dict[str, Callable[[Driver, Path], Scenario]] = {
    "create": _create,
    "commit": _commit,
    "delete": _delete,
    "merge roots": _merge_roots,
    "compact": _compact,
    "publish": _publish,
    "export folder": _export("npy"),
    "export file": _export("images.parquet"),
    "upgrade": _upgrade,
}
