"""Power cuts: the file system below a command goes down at a random moment, and forgets what was
not synced. After it is mounted again, nothing is lost, and the command ends as it would have.

`pytest tests/store/test_power_cuts.py -m long --cuts 60 -s`; it needs root, Linux and loop devices.
"""

import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.system_calls import COMMANDS, faults, pictures, state

CUTS = 3  # of each command on each file system
SIZES = {"ext4": 96 << 20, "xfs": 320 << 20}  # bytes; xfs refuses less than 300 MB
SHUTDOWN = 0x8004587D  # XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN: _IOR('X', 125, __u32)
WITHOUT_LOG = 2  # the journal is not written either

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a file system"),
]


class Disk:
    """A file system in a file."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._image, self.mounted, self._kind = folder / "image", folder / "disk", kind
        self.mounted.mkdir()
        with open(self._image, "wb") as file:
            file.truncate(SIZES[kind])
        _run(f"mkfs.{kind}", "-q", self._image)
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", self._image, self.mounted)

    def cut(self) -> None:
        handle = os.open(self.mounted, os.O_RDONLY)
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        os.close(handle)

    def unmount(self) -> None:
        _run("umount", self.mounted)


def _run(*command: object) -> None:
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


@contextmanager
def disk(folder: Path, kind: str) -> Iterator[Disk]:
    if shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/sbin:/usr/sbin") is None:
        pytest.skip(f"needs mkfs.{kind}")
    made = Disk(folder, kind)
    try:
        yield made
    finally:
        made.unmount()


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("name", COMMANDS)
def test_after_a_power_cut_a_command_ends_as_without(
    name: str, kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    command = COMMANDS[name]
    base = tmp_path / "base"
    dice = random.Random(1)
    wrong, cuts = [], 0
    with disk(tmp_path, kind) as used:
        folder = used.mounted / "folder"

        def begin() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(base, folder, symlinks=True)
            os.sync()

        command.prepare(folder)
        shutil.copytree(folder, base, symlinks=True)
        before = pictures(folder)
        start = time.monotonic()
        assert command.run(folder).code == 0
        length = time.monotonic() - start
        expected = state(folder)
        for _ in range(pytestconfig.getoption("cuts") or CUTS):
            begin()
            with subprocess.Popen(
                command.line(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                moment = dice.uniform(0.2, 1) * length
                try:
                    process.wait(moment)
                except subprocess.TimeoutExpired:
                    cuts += 1
                used.cut()
                process.wait()
            used.unmount()
            used.mount()
            wrong += [
                f"{moment:.2f} s: {fault}" for fault in faults(command, folder, before, expected)
            ]
    print(f"\n{name} on {kind}: {cuts} power cuts while it ran, {len(wrong)} wrong")
    assert wrong == []
