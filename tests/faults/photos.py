"""A folder of small pictures, and what an index of it must hold: the plain model."""

import hashlib
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from conftest import encoded, picture

from embedtool.decode import decode_image
from embedtool.embed import MeanColourEmbedder
from embedtool.errors import ImageRejected
from embedtool.types import unit_rows

Held = dict[str, list[Any]]  # path -> size, mtime_ns, then digest and vector, or stage and reason


class Photos:
    """Files below `folder`; every write gets a modification time of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clock = 0
        folder.mkdir(parents=True)

    def paint(self, name: str, seed: int) -> None:
        self.write(name, painted(seed))

    def write(self, name: str, content: bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self._clock += 1
        os.utime(file, ns=(self._clock * 10**9, self._clock * 10**9))

    def move(self, old: str, new: str) -> None:
        (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / old).rename(self.folder / new)

    def remove(self, name: str) -> None:
        file = self.folder / name
        shutil.rmtree(file) if file.is_dir() else file.unlink()

    def files(self) -> list[Path]:
        return sorted(file for file in self.folder.rglob("*") if file.is_file())

    def model(self) -> tuple[Held, Held]:
        """Images and rejects that an index of this folder holds, computed without the store."""
        images: Held = {}
        rejects: Held = {}
        for file in self.files():
            content, status = file.read_bytes(), file.stat()
            vector, reason = vector_of(content)
            place = [status.st_size, status.st_mtime_ns]
            if reason:
                rejects[str(file)] = [*place, *reason]
            else:
                images[str(file)] = [*place, hashlib.sha256(content).hexdigest(), vector]
        return images, rejects


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
