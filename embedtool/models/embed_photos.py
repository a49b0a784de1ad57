"""Embed photos as one array, without an index."""

import glob
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from embedtool.core.paths import full_path
from embedtool.core.types import PathLike, Progress, Reject, Source
from embedtool.errors import TooManyRejects, UsageError
from embedtool.images.listing import list_photos
from embedtool.images.read_file import source_of
from embedtool.models.backbone import load_backbone
from embedtool.models.embed_files import embed_files
from embedtool.models.embedder import Embedder, NetworkEmbedder

OnReject = Literal["raise", "nan", "skip"]


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """The vectors of some photos, and the photos that were rejected.

    The inputs are the requested names, with each folder and pattern replaced by its files.

    paths: the full path of each row, in the order of the inputs. vectors: float32 (n, d), n rows of
    length 1, or of NaN for a reject with on_reject="nan". rejects: the files that could not be
    used, in the order of the inputs. kept: int64, the positions of the embedded inputs among all
    inputs, from 0.
    """

    paths: tuple[Path, ...]
    vectors: npt.NDArray[np.float32]
    rejects: tuple[Reject, ...]
    kept: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        n, d = self.vectors.shape
        return f"Embeddings({n:,} rows of {d:,} dimensions, rejects: {len(self.rejects):,})"


class Input(NamedTuple):
    """One file to embed."""

    source: Source
    named: bool  # the caller named this file; False if it was found in a folder or by a pattern


def embed_photos(
    photos: PathLike | bytes | Sequence[PathLike | bytes],
    *,
    model: str = "auto",
    layer: str | None = None,
    precision: str | None = None,
    on_reject: OnReject = "raise",
    progress: Progress | None = None,
) -> Embeddings:
    """Return the vectors of photos without making an index: row i belongs to input i.

    photos: a file, a folder, a pattern such as "holiday/*.jpg", or a list of these. Files keep the
    order of the list, and a file that is named twice has two rows. A folder or a pattern is
    replaced by its images, sorted, at its place in the list. Files of the same content are embedded
    once.
    model: "auto", "builtin", "mobilenet_v2", a TF Hub handle, a model folder or the name of an
    imported model. layer: the layer whose average output is the vector; default: the last.
    precision: "float32" or "int8"; default: that of the model.
    on_reject: what happens to an input that is missing, broken or not an image. "raise": embed all
    other inputs, then raise TooManyRejects, whose message and `rejects` name every rejected file of
    the list; a reject in a folder or a pattern does not raise and has no row. "nan": the row of
    each reject is NaN. "skip": rejects have no row. The result lists the rejects in every case.
    progress: called as progress(done, total, stage="embedding", rejected=n) after each input.

    Returns Embeddings; its vectors are float32 (n, d), each row of length 1.
    Raises UsageError for an empty list, a name that is not a path and an unknown on_reject, layer
    or precision; PhotosMissing if a pattern matches nothing, or if `photos` is one folder that does
    not exist (a missing name in a list, or one with a suffix such as ".jpg", counts as a file and
    is a reject); TooManyRejects; ModelOffline and ModelUnavailable.

    >>> names = ["photos/fish/fish-02.jpg", "photos/city/city-01.jpg", "photos/fish/fish-02.jpg"]
    >>> embeddings = embedtool.embed_photos(names, model="builtin")
    >>> [path.name for path in embeddings.paths], embeddings.vectors.shape
    (['fish-02.jpg', 'city-01.jpg', 'fish-02.jpg'], (3, 1280))
    >>> embedtool.embed_photos("photos", model="builtin")
    Embeddings(361 rows of 1,280 dimensions, rejects: 1)
    """
    if on_reject not in get_args(OnReject):
        raise UsageError(f'expected on_reject "raise", "nan" or "skip", received {on_reject!r}')
    inputs = list_inputs(photos)
    backbone = load_backbone(model, layer=layer, precision=precision)
    if backbone.note:
        warnings.warn(backbone.note, stacklevel=2)
    return embed_inputs(inputs, NetworkEmbedder(backbone), on_reject=on_reject, progress=progress)


def list_inputs(photos: PathLike | bytes | Sequence[PathLike | bytes]) -> list[Input]:
    """Return the files of `photos`, with folders and patterns expanded in place.

    Raises UsageError and PhotosMissing as `embed_photos` does.
    """
    alone = isinstance(photos, str | bytes | os.PathLike)
    names: list[PathLike | bytes] = [photos] if alone else list(photos)  # type: ignore[list-item, arg-type]
    if not names:
        raise UsageError("expected at least one photo, folder or pattern; received an empty list")
    inputs = []
    for position, name in enumerate(names):
        file = named_file(name, position)
        text = os.fsdecode(name)
        may_be_folder = glob.has_magic(text) or (alone and not os.path.splitext(text)[1])
        if not os.path.isdir(text) and (os.path.lexists(text) or not may_be_folder):
            inputs.append(file)
        else:
            inputs += [Input(source, named=False) for source in list_photos([text]).files]
    return inputs


def named_file(name: object, position: int) -> Input:
    """Return a file as an input, whether it exists or not. Raises UsageError for other types.

    position: the place of the name among those given, for that message.
    """
    if not isinstance(name, str | bytes | os.PathLike) or b"\0" in os.fsencode(name):
        raise UsageError(
            f"expected paths, each a str or a Path; input {position} is {name!r} "
            f"({type(name).__name__})"
        )
    return Input(source_of(name), named=True)


def embed_inputs(
    inputs: Sequence[Input],
    embedder: Embedder,
    *,
    on_reject: OnReject = "raise",
    progress: Progress | None = None,
    workers: int | None = None,
) -> Embeddings:
    """Embed files in order, each content once. Raises TooManyRejects as `embed_photos` does."""
    vectors = np.empty((len(inputs), embedder.dim), np.float32)
    row_of_content: dict[bytes, int] = {}
    paths: list[Path] = []
    rejects, refused, kept = [], [], []
    sources = [one.source for one in inputs]
    for position, outcome in enumerate(
        embed_files(sources, embedder, known=set(), workers=workers)
    ):
        path, row = full_path(outcome.source.root, outcome.source.path), len(paths)
        if outcome.reject:
            rejects.append(Reject(path, outcome.reject.stage, outcome.reject.reason))
            if inputs[position].named:
                refused.append(rejects[-1])
            if on_reject == "nan":
                vectors[row] = np.nan
                paths.append(path)
        else:
            first = row_of_content.setdefault(outcome.digest, row)
            vectors[row] = vectors[first] if outcome.vector is None else outcome.vector
            paths.append(path)
            kept.append(position)
        if progress:
            progress(position + 1, len(inputs), stage="embedding", rejected=len(rejects))
    if refused and on_reject == "raise":
        raise _too_many(refused, sum(one.named for one in inputs))
    return Embeddings(
        tuple(paths), vectors[: len(paths)], tuple(rejects), np.array(kept, dtype=np.int64)
    )


def _too_many(refused: Sequence[Reject], named: int) -> TooManyRejects:
    lines = dict.fromkeys(f"{one.path}: {one.stage}: {one.reason}" for one in refused)
    return TooManyRejects(
        f"expected {named} images; {len(refused)} of them cannot be used:\n"
        + "\n".join(lines)
        + '\nTo get rows of NaN for them, pass on_reject="nan". To leave them out, remove them '
        'from the list or call embed_photos(..., on_reject="skip")',
        refused,
    )
