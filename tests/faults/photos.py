"""A folder of small pictures, and what an index of it must hold: the plain model."""

import hashlib
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from support.pictures import encoded, picture

from embedtool.core.types import unit_rows
from embedtool.errors import ImageRejected
from embedtool.images.decode import decode_image
from embedtool.models.embedder import MeanColourEmbedder

Held = dict[str, list[Any]]  # path -> size, mtime_ns, then digest and vector, or stage and reason


class Photos:
    """Files below `folder`, and in `held` what each is: name -> content, modification time. Every
    write gets a time of its own, and a folder that falls empty goes: an empty one is taken for a
    disk that is not mounted, and keeps its images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: dict[str, tuple[bytes, int]] = {}
        self._clock = 0
        folder.mkdir(parents=True)

    def paint(self, name: str, seed: int) -> None:
        self.write(name, painted(seed))

    def write(self, name: str, content: bytes) -> None:
        self._clock += 10**9
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(self._clock, self._clock))
        self.held[name] = content, self._clock

    def move(self, old: str, new: str) -> None:
        """A file, or a folder with all in it."""
        (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / old).rename(self.folder / new)
        for name in self._at(old):
            self.held[new + name[len(old) :]] = self.held.pop(name)
        self._prune(old)

    def remove(self, name: str) -> None:
        file = self.folder / name
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        for gone in self._at(name):
            del self.held[gone]
        self._prune(name)

    def model(self) -> tuple[Held, Held]:
        """Images and rejects that an index of this folder holds, computed without the store."""
        images: Held = {}
        rejects: Held = {}
        for name, (content, time) in self.held.items():
            vector, reason = vector_of(content)
            path, place = str(self.folder / name), [len(content), time]
            if reason:
                rejects[path] = [*place, *reason]
            else:
                images[path] = [*place, hashlib.sha256(content).hexdigest(), vector]
        return images, rejects

    def _at(self, name: str) -> list[str]:
        return [held for held in self.held if held == name or held.startswith(name + "/")]

    def _prune(self, name: str) -> None:
        for folder in (self.folder / name).parents:
            if folder == self.folder or any(folder.iterdir()):
                return
            folder.rmdir()


@cache
def painted(seed: int) -> bytes:
    return encoded(picture(seed, (12, 9)), "PNG")


@cache
def vector_of(content: bytes) -> tuple[str, tuple[str, str] | None]:
    """The float32 row, in hexadecimal, that a search sees of a picture; or stage and reason."""
    fake = MeanColourEmbedder()
    try:
        row = fake.embed(decode_image(content, fake.size)[None])
    except ImageRejected as reject:
        return "", (reject.stage, reject.reason)
    return unit_rows(row.astype(np.float16)).tobytes().hex(), None
