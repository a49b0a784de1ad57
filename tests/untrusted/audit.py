"""What Python does to files, processes and connections, as its audit events say."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
)
ELSEWHERE = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_watched: list[list[str]] = []  # where events are noted; a hook stays until the process ends


def _note(event: str, values: tuple[Any, ...]) -> None:
    if not _watched:
        return
    paths: list[Any] = []
    if event in ELSEWHERE:
        _watched[-1].append(f"{event} {values}")
    elif event == "open" and isinstance(values[2], int) and values[2] & WRITING:
        paths = [values[0]]
    elif event in CHANGES:
        paths = list(values[:2]) if event in ("os.rename", "os.link") else [values[0]]
        if event in ("os.remove", "os.rmdir") and values[1] >= 0:  # relative to an open folder
            paths = [os.path.join(os.readlink(f"/proc/self/fd/{values[1]}"), values[0])]
    for path in paths:
        if isinstance(path, str | bytes | os.PathLike):
            # Except to open it, a link in the last place is changed itself.
            folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
            place = os.path.join(os.path.realpath(folder), name)
            _watched[-1].append(os.path.realpath(place) if event == "open" else place)


sys.addaudithook(_note)


@contextmanager
def only_inside(folder: Path) -> Iterator[None]:
    """Fail if a file outside `folder` is changed, a process started or a connection made."""
    noted: list[str] = []
    _watched.append(noted)
    try:
        yield
    finally:
        _watched.pop()
    own = str(folder.resolve())
    outside = [one for one in noted if one != own and not one.startswith((f"{own}/", os.devnull))]
    assert not outside, outside
