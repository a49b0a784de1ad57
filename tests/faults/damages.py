"""Files damaged on purpose, and what a reader makes of it; done in the driver's children."""

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from faults.actions import update_index

from embedtool import index_info, index_rejects, search_photos
from embedtool.errors import EmbedtoolError, ModelUnavailable
from embedtool.models import backbone, litert, load_backbone, reopen
from embedtool.models.embedder import NetworkEmbedder, embed_golden
from embedtool.store.reader import IndexReader

BLOCK = 512
Damage = tuple[str, int]  # "flip", a bit; "cut", a length; "zero", where a block begins
assert safetensors.numpy and litert  # imported before the fork, not in each child


@dataclass
class Answers:
    said: list[Any]
    similarities: list[float]  # exact and approximate search round differently

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Answers)
        return self.said == other.said and np.allclose(
            self.similarities, other.similarities, atol=1e-6
        )


def answers(index: str) -> Answers:
    """What a user can learn from an index: rows, rejects, info, and a search from some. What may
    be lost without harm is left out: the certificate, and how large the derived files are."""
    with IndexReader(index) as opened, opened.snapshot():
        rows = list(opened.rows())
        reject_rows = list(opened.reject_rows())
    found = search_photos(index, rows=[row[0] for row in rows[::8]], k=4)
    info = {k: v for k, v in index_info(index).items() if k not in ("certificate", "derived_bytes")}
    paths = [(one.query, [match.path for match in one.matches]) for one in found]
    similarities = [match.similarity for one in found for match in one.matches]
    return Answers([rows, reject_rows, info, index_rejects(index), paths], similarities)


def damage(
    file: str, damages: list[Damage], index: str, base: str, *photos: str
) -> list[list[str]]:
    """Damage a file of a fresh copy of `base` in each of several ways; return, for each, what a
    reader makes of it, then a reader after a writer: see `_outcome`."""
    _restore(base, index)
    whole = answers(index)
    damaged_file = Path(index, file)
    good = damaged_file.read_bytes()

    def after_a_writer() -> Answers:
        update_index(index, *photos)
        return answers(index)

    ends = []
    for one in damages:
        _apply(damaged_file, *one)
        outcomes = [_outcome(lambda: answers(index), whole)]
        if outcomes == ["same"] or file.startswith("catalog"):  # a writer reads no segment
            outcomes.append(_outcome(after_a_writer, whole))
            _restore(base, index)
        damaged_file.write_bytes(good)
        ends.append(outcomes)
    return ends


def damage_model(
    file: str, damages: list[Damage], folder: str, spec: str, precision: str, cache: str
) -> list[list[str]]:
    """The same for a file of a model folder, or of the compiled one that stands for it in a cache:
    what the golden pictures of an index made with it become."""
    os.environ["EMBEDTOOL_CACHE_DIR"] = cache
    recipe = load_backbone(spec, precision=precision).recipe
    good = {path: path.read_bytes() for path in Path(folder).iterdir()}

    def rows() -> bytes:
        backbone = reopen(spec, recipe)
        backbone.folder.tensors()
        return embed_golden(NetworkEmbedder(backbone)).tobytes()

    def made_anew(*_: object, **__: object) -> None:
        raise ModelUnavailable("found damaged, would be compiled again")

    whole = rows()
    backbone._compile = made_anew
    ends = []
    for one in damages:
        _apply(Path(folder, file), *one)
        ends.append([_outcome(rows, whole)])
        Path(folder).mkdir(exist_ok=True)
        for path, content in good.items():
            path.write_bytes(content)
    return ends


def _outcome(answer: Callable[[], object], whole: object) -> str:
    """ "same", also with a warning, the name of an error of ours, or what must not be: "OTHER"
    without an error, or a "RAISED ..." that is no error of ours."""
    with warnings.catch_warnings(record=True) as warned:
        try:
            same = answer() == whole
        except EmbedtoolError as error:
            return type(error).__name__
        except Exception as error:
            return f"RAISED {type(error).__name__}: {error}"
    return ("warned, same" if warned else "same") if same else "OTHER"


def _restore(base: str, index: str) -> None:
    shutil.rmtree(index, ignore_errors=True)
    shutil.copytree(base, index)


def _apply(file: Path, how: str, place: int) -> None:
    data = bytearray(file.read_bytes())
    if how == "flip":
        data[place // 8] ^= 1 << place % 8
    elif how == "cut":
        del data[place:]
    elif how == "zero":  # a block that never reached the disk
        data[place : place + BLOCK] = bytes(len(data[place : place + BLOCK]))
    file.write_bytes(data)
