"""`export_index`: choose the format, check that the target may be replaced, and write it."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from embedtool.core.atomic_files import atomic_write, publish_folder
from embedtool.core.extras import require
from embedtool.core.paths import entries_below
from embedtool.core.types import PathLike
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.interchange.card import CARD_FILE, Card, read_card
from embedtool.store.reader import IndexReader


class _Format(NamedTuple):
    writer: str  # the module of this package that writes it
    is_folder: bool
    libraries: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()  # that select the format if none is named
    required_suffix: str = ""  # without which the reading program does not accept the file
    open_command: str = ""  # the command that shows it


FORMATS = {
    "clip-retrieval": _Format("write_clip_retrieval", True, ("pyarrow",)),
    "parquet": _Format("write_parquet", False, ("pyarrow",), (".parquet",)),
    "npy": _Format("write_npy", True),
    "projector": _Format("write_projector", True, open_command="tensorboard --logdir {}"),
    "embedding-atlas": _Format(
        "write_embedding_atlas",
        False,
        ("pyarrow",),
        required_suffix=".parquet",
        open_command="embedding-atlas {} --vector vector --image image",
    ),
    "ann-benchmarks": _Format("write_ann_benchmarks", False, ("h5py",), (".hdf5", ".h5")),
}
# The files in the folders that are written. A stranger's card may name others.
WRITTEN = re.compile(
    r"embedtool\.json|vectors\.(npy|tsv)|paths\.txt|images\.jsonl|metadata\.tsv|"
    r"projector_config\.pbtxt|img_emb/img_emb_\d+\.npy|metadata/metadata_\d+\.parquet"
)


@dataclass(frozen=True)
class ExportReport:
    """The result of `export_index`. rows: the images written; bytes: the size of all files."""

    path: Path
    format: str
    model: str
    rows: int
    dim: int
    bytes: int
    notes: tuple[str, ...]


def export_index(
    index: IndexReader, to: PathLike, *, format: str | None = None, seed: int = 0
) -> ExportReport:
    """Write every image of an index and its vector in a format of another program.

    format: "clip-retrieval" (img_emb/*.npy float16 and metadata/*.parquet), "parquet" (one file,
    vector list<float32>), "npy" (vectors.npy float32, paths.txt, images.jsonl), "projector"
    (TensorBoard), "embedding-atlas" (Parquet with thumbnails) or "ann-benchmarks" (HDF5); by
    default, the suffix of `to` decides. seed: of the samples in projector and ann-benchmarks.

    Rows are in the order of the image ids. They have path, root, size, modification time, SHA-256
    of the file, label (the name of its folder) and unit vector. projector has only path, label and
    vector, ann-benchmarks only vectors. The text of a path has U+FFFD for bytes that are not
    UTF-8, and path_bytes has the bytes of such a path (images.jsonl has the surrogate escapes of
    os.fsdecode instead).

    All rows are of one version of the index, and one block of them is held at a time. A writer that
    commits in the meantime waits until the rows are read, 5 to 10 seconds for 100,000 images. After
    60 seconds it stops with IndexLocked; if it is run again, it continues where it stopped. The
    export appears under `to` complete or not at all. It replaces an earlier export of embedtool,
    but nothing else. A killed run leaves a hidden file or folder beside `to`, named after it.
    Raises UsageError (unknown format), EmbedtoolError (`to` exists and is not an export, a library
    is missing, the index has no images), NotAnIndex, IndexDamaged.
    """
    to = Path(to)
    name, chosen = _choose_format(to, format)
    require(*chosen.libraries)
    module: Any = import_module(f"embedtool.interchange.{chosen.writer}")
    is_export: Callable[[Path], bool] = (
        _is_unchanged_export if chosen.is_folder else module.is_export
    )
    replaced = to.exists()
    if replaced and not is_export(to):
        raise EmbedtoolError(
            f"{to} already exists and is not an unchanged export of embedtool. Choose another name "
            "with --to, or delete it first"
        )
    to.parent.mkdir(parents=True, exist_ok=True)
    card = Card(name, index.model, index.recipe, index.dim, index.golden, index.training_images())
    if chosen.is_folder:
        with publish_folder(to, existing="replace") as draft:
            rows, notes = module.write(index, draft, card, seed=seed)
            files = sorted(p.relative_to(draft).as_posix() for p in _files(draft))
            done = replace(card, files=tuple(files))
            (draft / CARD_FILE).write_text(done.text() + "\n", "utf-8")
        size = sum(path.stat().st_size for path in _files(to))
    else:
        with atomic_write(to) as file:
            rows, notes = module.write(index, file, card, seed=seed)
        size = to.stat().st_size
    if replaced:
        notes.insert(0, f"the earlier export at {to} was replaced")
    if chosen.open_command:
        notes.append("open it with: " + chosen.open_command.format(shlex.quote(str(to))))
    return ExportReport(to, name, card.model, rows, card.dim, size, tuple(notes))


def _choose_format(to: Path, format: str | None) -> tuple[str, _Format]:
    for name, known in FORMATS.items():
        if name == format or (format is None and to.suffix.lower() in known.suffixes):
            if not to.name.endswith(known.required_suffix):
                raise UsageError(
                    f"expected a name that ends in {known.required_suffix}, received {to}"
                )
            return name, known
    received = f"received {format!r}" if format else f"the name {to} does not say which"
    raise UsageError(f"expected a format among {', '.join(FORMATS)}; {received}. Add --format NAME")


def _is_unchanged_export(path: Path) -> bool:
    """Return whether a folder is an export to which nothing was added since."""
    card = path / CARD_FILE
    if not card.is_file():
        return False
    known = {CARD_FILE, *read_card(card.read_bytes(), card).files}
    names = [file.relative_to(path).as_posix() for file in _files(path)]
    return all(name in known and WRITTEN.fullmatch(name) for name in names)


def _files(folder: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in entries_below(folder)
        if not entry.is_dir(follow_symlinks=False)
    ]
