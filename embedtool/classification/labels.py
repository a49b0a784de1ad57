"""Read the class of each image of an index from the names of folders or from a table.

A table is CSV (UTF-8, header `path,label`) or Parquet with these two columns. A path is absolute,
or relative to the table's folder, or else relative to one of the folders that were indexed.
"""

import csv
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from embedtool.classification.splits import Numbers
from embedtool.core.extras import require
from embedtool.core.foreign_files import bounded_lines, open_regular
from embedtool.core.paths import folder_label, full_path
from embedtool.core.tables import arrow_errors, open_parquet, plain_values, text_of_cell
from embedtool.core.types import PathLike
from embedtool.errors import EmbedtoolError, UsageError
from embedtool.store.layout import without_images
from embedtool.store.reader import IndexReader

COLUMNS = ("path", "label")
BATCH_ROWS = 65_536  # of a Parquet table, read at a time
# A file of paths and labels, or a mapping of paths to labels.
LabelTable = PathLike | Mapping[str, str] | Mapping[Path, str]
UNLABELLED = -1


@dataclass(frozen=True)
class Conflict:
    """Files of one content (or one file) with several labels. It counts as unlabelled, since at
    most one of them can be right."""

    paths: tuple[Path, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelReport:
    """A summary of the labels of an index. classes: the number of images of each class."""

    source: str  # "folders" or the table
    images: int
    labelled: int
    classes: dict[str, int]
    conflicts: tuple[Conflict, ...]
    unmatched: tuple[str, ...]  # paths in the table that are not images of the index

    def record(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "images": self.images,
            "labelled": self.labelled,
            "unlabelled": self.images - self.labelled,
            "classes": self.classes,
            "conflicts": [
                {"paths": [str(path) for path in one.paths], "labels": list(one.labels)}
                for one in self.conflicts
            ],
            "unmatched": list(self.unmatched),
        }

    def notes(self) -> list[str]:
        notes = []
        if self.labelled < self.images:
            notes.append(f"{self.images - self.labelled:,} of {self.images:,} images have no label")
        if self.conflicts:
            one = self.conflicts[0]
            notes.append(
                f"{len(self.conflicts):,} pictures have several labels and count as unlabelled. "
                f"The first is {one.paths[0]}: {', '.join(one.labels)}"
            )
        if self.unmatched:
            notes.append(
                f"{len(self.unmatched):,} paths in {self.source} are not images of the index. The "
                f"first is {self.unmatched[0]}"
            )
        return notes


@dataclass(frozen=True)
class Labelled:
    """The n contents of an index, in the order of their vectors, with their images and labels."""

    classes: tuple[str, ...]  # sorted by name
    vectors: Numbers  # (n,) ids
    labels: Numbers  # (n,) classes, or UNLABELLED
    digests: tuple[bytes, ...]  # n, SHA-256 of each content
    paths: tuple[Path, ...]  # of the images, in the order of indexing
    contents: Numbers  # the content of each image, 0 to n - 1
    report: LabelReport

    def content_paths(self) -> list[Path]:
        """Return a path for each of the n contents: that of its first image."""
        _, firsts = np.unique(self.contents, return_index=True)
        return [self.paths[first] for first in firsts]


def read_labels(index: IndexReader, table: LabelTable | None = None) -> Labelled:
    """Return the class of every image, from the table if there is one, else from folder names.

    Raises EmbedtoolError if the table cannot be read or has no image of the index, UsageError if
    the index is empty.
    """
    with index.snapshot():
        rows, held = list(index.rows()), np.fromiter(index.vector_ids(), np.int64)
    if not rows:
        raise without_images(index.path)
    vectors, firsts, contents = np.unique(held, return_index=True, return_inverse=True)
    paths = tuple(full_path(row.root, row.path) for row in rows)
    given: dict[int, set[str]] = {}  # content -> the labels of its images
    unmatched: list[str] = []
    if table is None:
        for number, row in enumerate(rows):
            own = os.fsdecode(folder_label(row.root, row.path))
            given.setdefault(int(contents[number]), set()).add(own)
    else:
        numbers = {os.fsencode(path): number for number, path in enumerate(paths)}
        found, unmatched = match_table(numbers, table, index.roots())
        for path, label in found:
            given.setdefault(int(contents[numbers[path]]), set()).add(label)
        if not given:
            _raise_no_label(index, table, unmatched)
    conflicts = {content for content, labels in given.items() if len(labels) > 1}
    single = {c: next(iter(labels)) for c, labels in given.items() if len(labels) == 1}
    classes = tuple(sorted(set(single.values())))
    order = {name: number for number, name in enumerate(classes)}
    labels = np.full(len(vectors), UNLABELLED, np.int64)
    labels[list(single)] = [order[name] for name in single.values()]
    counts = Counter(labels[contents].tolist())
    report = LabelReport(
        source="folders" if table is None else table_name(table),
        images=len(rows),
        labelled=len(rows) - counts[UNLABELLED],
        classes={name: counts[number] for number, name in enumerate(classes)},
        conflicts=tuple(
            Conflict(
                tuple(paths[i] for i in np.flatnonzero(contents == content)),
                tuple(sorted(given[content])),
            )
            for content in sorted(conflicts)
        ),
        unmatched=tuple(unmatched),
    )
    digests = tuple(rows[first].digest for first in firsts)
    return Labelled(classes, vectors, labels, digests, paths, contents, report)


def match_table(
    known: Container[bytes], table: LabelTable, roots: Iterable[bytes]
) -> tuple[list[tuple[bytes, str]], list[str]]:
    """Match the paths of a table with known ones. Return the known paths with their labels, in the
    order of the table, and the paths that match nothing.

    A relative path is looked up in the folder of the table (the current folder for a mapping), then
    in the roots. Raises UsageError if it is known in two roots.
    """
    found, unmatched = [], []
    own_folder = b"." if isinstance(table, Mapping) else os.path.dirname(os.fsencode(table))
    folders = [os.path.abspath(own_folder), *roots]
    for name, label in _table_rows(table):
        own, *others = (os.path.normpath(os.path.join(a, os.fsencode(name))) for a in folders)
        places = [own] if own in known else sorted({place for place in others if place in known})
        if len(places) > 1:
            raise UsageError(
                f"expected paths of one image each in {table_name(table)}, but {name!r} matches "
                f"{' and '.join(map(os.fsdecode, places[:2]))}. Make it absolute, or relative to "
                "the folder of the table"
            )
        if not places:
            unmatched.append(name)
        elif label:
            found.append((places[0], label))
    return found, unmatched


def table_name(table: LabelTable) -> str:
    return "the mapping" if isinstance(table, Mapping) else os.fspath(table)


def _table_rows(table: LabelTable) -> Iterator[tuple[str, str]]:
    if not isinstance(table, Mapping):
        yield from read_table(Path(table))
        return
    for name, label in table.items():
        if not isinstance(label, str):
            raise UsageError(f"expected a string as label, received {label!r} for {name!r}")
        yield os.fspath(name), label


def read_table(table: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and label of each line, without the apostrophe that keeps spreadsheets from
    running text as a formula. Raises EmbedtoolError."""
    with open_regular(table, follow=True) as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        require("pyarrow")
        yield from _read_parquet(table)
        return
    try:
        with open(table, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            reader = csv.DictReader(bounded_lines(text), strict=True)
            _check_columns(table, reader.fieldnames or [])
            for row in reader:
                if row["path"] is None or row["label"] is None:
                    raise EmbedtoolError(
                        f"{table}, line {reader.line_num}: expected a path and a label, received "
                        "only one of them"
                    )
                if not _is_unicode(row["label"]):  # a path may have any bytes
                    raise EmbedtoolError(
                        f"{table}, line {reader.line_num}: expected a label in UTF-8, received "
                        f"{os.fsencode(row['label'])!r}. Save the table as UTF-8"
                    )
                yield text_of_cell(row["path"]), text_of_cell(row["label"])
    except (csv.Error, ValueError) as error:
        raise EmbedtoolError(
            f"{table} cannot be read as CSV: {error}. Save it as CSV in UTF-8"
        ) from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # surrogates represent bytes that are not UTF-8
        return False
    return True


def _read_parquet(table: Path) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq  # an optional library

    with arrow_errors(table):
        _check_columns(table, pq.read_schema(table).names)
        opened = open_parquet(table, COLUMNS)
        for batch in opened.iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
            rows = batch.filter(batch["path"].is_valid())
            for path, label in zip(*(plain_values(rows[name]) for name in COLUMNS), strict=True):
                yield str(path), "" if label is None else str(label)


def _check_columns(table: Path, found: Any) -> None:
    if any(list(found).count(name) != 1 for name in COLUMNS):
        shown = repr(", ".join(map(str, found)))[:80] if found else "nothing"
        raise EmbedtoolError(
            f"{table}: expected the columns path and label (CSV in UTF-8, with commas), received "
            f"{shown}"
        )


def _raise_no_label(index: IndexReader, table: LabelTable, unmatched: list[str]) -> NoReturn:
    if not unmatched:
        raise UsageError(
            f"expected rows with a path and a label, but no row of {table_name(table)} has a "
            "label. Write the class of each image in the column 'label'"
        )
    roots = ", ".join(os.fsdecode(root) for root in index.roots())
    raise UsageError(
        f"expected paths below {roots}, absolute or relative, but none of the {len(unmatched):,} "
        f"paths in {table_name(table)} is an image of {index.path}; the first is {unmatched[0]!r}. "
        f"To list the images, run: embedtool export {index.path} --to images.parquet"
    )
