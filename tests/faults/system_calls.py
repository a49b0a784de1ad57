"""Commands of embedtool that are killed at exact system calls, by strace, and what must hold then.

Each command works in a folder of its own: photos, an index of them, and what it makes.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from support.command import Result, embedtool

from embedtool.classification.probe import read_probe
from embedtool.core.drafts import DRAFT
from embedtool.duplicates.move_files import LOG
from embedtool.store.reader import IndexReader

# All that create, change, rename or remove a file, or put it on disk.
CALLS = (
    *("openat", "write", "writev", "pwrite64", "ftruncate", "fallocate", "copy_file_range"),
    *("sendfile", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "unlink"),
    *("unlinkat", "mkdir", "mkdirat", "rmdir", "fsync", "fdatasync", "flock", "utimensat"),
    *("fchmod", "chmod", "close"),
)
RARE = frozenset(CALLS) - {"openat", "close", "write"}  # the others also load libraries and print
NAME = re.compile(r"^(\d+) +(\w+)\(")


@dataclass(frozen=True)
class Command:
    """arguments: of the command, FOLDER is replaced. prepare: makes what it starts from.
    done_before: the error of a second run, if it is one."""

    arguments: str
    prepare: Callable[[Path], None]
    done_before: str = ""

    def line(self, folder: Path) -> list[str]:
        words = self.arguments.replace("FOLDER", str(folder)).split()
        return [sys.executable, "-m", "embedtool", *words]

    def run(self, folder: Path) -> Result:
        return embedtool(*self.line(folder)[3:])

    def count(self, folder: Path) -> Counter[str]:
        """How often a thread of the command makes each call, at most."""
        log = folder / "calls"
        names = ",".join(CALLS)
        subprocess.run(
            ["strace", "-f", "-qq", "-o", log, "-e", f"trace={names}", *self.line(folder)],
            check=True,
            capture_output=True,
        )
        lines = log.read_text().splitlines()
        by_thread = Counter(m.groups() for line in lines if (m := NAME.match(line)))
        log.unlink()
        most: Counter[str] = Counter()
        for (_, name), times in by_thread.items():
            most[name] = max(most[name], times)
        return most

    def kill(self, folder: Path, call: str, number: int) -> bool:
        """Run the command, killed at a system call. Return whether it came so far."""
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", os.devnull, "-e", inject, *self.line(folder)],
            check=False,
            capture_output=True,
        )
        return done.returncode == -9


def photos(folder: Path) -> None:
    """Twelve pictures in three folders, two of them copies of others; and a re-encoded one."""
    random = np.random.default_rng(0)
    for n in range(10):
        small = Image.fromarray(random.integers(0, 255, (8, 6, 3)).astype(np.uint8))
        file = folder / "photos" / "abc"[n % 3] / f"{n}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        small.resize((120, 160), Image.Resampling.BICUBIC).save(file, quality=95)
    for n in (0, 4):
        source = folder / "photos" / "abc"[n % 3] / f"{n}.jpg"
        shutil.copy2(source, folder / "photos" / f"copy of {n}.jpg")
    with Image.open(folder / "photos" / "a" / "3.jpg") as image:
        image.save(folder / "photos" / "b" / "smaller 3.jpg", quality=70)


def indexed(folder: Path) -> None:
    photos(folder)
    _done(embedtool("index", folder / "photos", "--index", folder / "index", "--model", "builtin"))


def changed(folder: Path) -> None:
    """An index, and photos that were added, moved, changed and removed since."""
    indexed(folder)
    inside = folder / "photos"
    (inside / "a" / "0.jpg").unlink()
    (inside / "b" / "1.jpg").rename(inside / "c" / "moved.jpg")
    for n in range(5):
        shutil.copy2(inside / "c" / "2.jpg", inside / f"new {n}.jpg")
        with open(inside / f"new {n}.jpg", "ab") as file:
            file.write(b"%d" % n)


def with_removed(folder: Path) -> None:
    changed(folder)
    _done(embedtool("index", folder / "photos", "--index", folder / "index"))


def moved(folder: Path) -> None:
    indexed(folder)
    _done(embedtool("duplicates", folder / "index", "--near", "--move", folder / "away"))


def exported(folder: Path) -> None:
    """An index with an export that a later one replaces."""
    indexed(folder)
    for name in ("npy", "out.parquet"):
        format = ("--format", "npy") if name == "npy" else ()
        _done(embedtool("export", folder / "index", "--to", folder / name, *format))


COMMANDS = {
    "index": Command("index FOLDER/photos --index FOLDER/index --model builtin", photos),
    "sync": Command("index FOLDER/photos --index FOLDER/index", changed),
    "compact": Command("compact FOLDER/index", with_removed),
    "move": Command("duplicates FOLDER/index --near --move FOLDER/away", indexed),
    "undo": Command(f"duplicates --undo FOLDER/away/{LOG}", moved, "is not a file"),
    "import": Command("import FOLDER/npy --index FOLDER/imported", exported, "exists"),
    "export": Command("export FOLDER/index --to FOLDER/npy --format npy", exported),
    "export file": Command("export FOLDER/index --to FOLDER/out.parquet", exported),
    "probe": Command("probe train FOLDER/index --out FOLDER/probe", indexed),
    "table": Command("cluster FOLDER/index --to FOLDER/clusters.csv", indexed),
}


def _done(result: Result) -> None:
    assert result.code == 0, result.err


def pictures(folder: Path) -> Counter[str]:
    """The contents of all photos, and how often there is each."""
    return Counter(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("photos", "away")
        for path in (folder / part).rglob("*.jpg")
        if not DRAFT.fullmatch(path.name)
    )


def state(folder: Path) -> dict[str, object]:
    """What a folder holds, with the content of each file whose bytes are always the same."""
    found: dict[str, object] = {}
    for name in ("index", "imported"):
        if (folder / name / "catalog.sqlite").exists():
            found[name] = index_content(folder / name)
    if (folder / "probe").exists():
        found["probe"] = read_probe(folder / "probe").classifier.weights.tobytes().hex()[:64]
    for path in files(folder):
        name = str(path.relative_to(folder))
        fixed = path.suffix in (".jpg", ".npy", ".csv", ".parquet") and "index" not in name
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if fixed else True
    return found


def files(folder: Path) -> Iterator[Path]:
    """All files; those of derived/ have digests of what may differ in a last bit in their names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "derived":
            yield path


def index_content(index: Path) -> list[tuple[bytes, int, str, str]]:
    """The images of an index by path, with their stored vectors. Every checksum is compared."""
    with IndexReader(index) as opened, opened.snapshot():
        faults = opened.verify()
        assert not faults, faults
        return sorted(
            (row.path, row.size, row.digest.hex(), stored[1].tobytes().hex()[:64])
            for row in opened.rows()
            if (stored := opened.image(row.id))
        )


def faults(
    command: Command, folder: Path, before: Counter[str], expected: dict[str, object]
) -> list[str]:
    """What is wrong in a folder after a command was interrupted, and after it is run again.

    before: its pictures. expected: its state after a command that was not interrupted."""
    found = []
    if set(pictures(folder)) != set(before):
        found.append("a photo is lost")
    state(folder)  # raises if an index or a probe is damaged
    done = command.run(folder)
    if done.code and not (command.done_before and command.done_before in done.err):
        found.append(f"run again: {done.err}")
        return found
    after = state(folder)
    found += [
        f"{part} is {after.get(part)}, expected {expected.get(part)}"
        for part in expected.keys() | after.keys()
        if expected.get(part) != after.get(part)
    ]
    if pictures(folder) != before:
        found.append("a photo is there twice")
    return found
