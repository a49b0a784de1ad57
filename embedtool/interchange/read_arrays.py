"""Vectors in .npy files, paths in text files, and images in our own images.jsonl."""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from embedtool.errors import EmbedtoolError
from embedtool.interchange.card import Card
from embedtool.interchange.incoming import BLOCK_ROWS, IncomingImage, IncomingVectors, RawVectors

FLOATS = (np.float16, np.float32, np.float64)
CHUNK_BYTES = 1 << 20  # bytes of a path list read at a time


def read_arrays(files: list[Path], paths: Path) -> IncomingVectors:
    """.npy files, and one list of paths for all of their rows."""
    arrays = open_arrays(files)
    rows, path_count = sum(map(len, arrays)), sum(1 for _ in read_path_list(paths))
    if rows != path_count:
        where = files[0] if len(files) == 1 else files[0].parent
        raise EmbedtoolError(
            f"{where} holds {rows} vectors, {paths} names {path_count} paths: expected one path a "
            "vector, in the same order"
        )
    images = map(IncomingImage, read_path_list(paths))
    blocks = (
        (list(islice(images, len(raw))), raw) for array in arrays for raw in _in_blocks(array)
    )
    return IncomingVectors(rows, arrays[0].shape[1], None, tuple(files), blocks)


def read_export_folder(folder: Path, card: Card) -> IncomingVectors:
    """An export of format "npy"."""
    file, table = folder / "vectors.npy", folder / "images.jsonl"
    [vectors] = open_arrays([file])
    with open(table, "rb") as lines:
        image_count = sum(1 for _ in lines)
    if len(vectors) != image_count:
        raise EmbedtoolError(
            f"{file} holds {len(vectors)} vectors, {table} names {image_count} images: "
            "expected as many"
        )
    images = _read_images_jsonl(table)
    blocks = ((list(islice(images, len(raw))), raw) for raw in _in_blocks(vectors))
    return IncomingVectors(len(vectors), vectors.shape[1], card, (file,), blocks)


def open_arrays(files: list[Path]) -> list[RawVectors]:
    """The rows (n, d) of .npy files, memory-mapped, all of one d. Raises EmbedtoolError where a
    file is not one whole array of float16, float32 or float64 with two dimensions."""
    arrays = [_open_array(file) for file in files]
    for file, array in zip(files, arrays, strict=True):
        if array.shape[1] != arrays[0].shape[1]:
            raise EmbedtoolError(
                f"{files[0].name} holds vectors of {arrays[0].shape[1]} dimensions, {file.name} of "
                f"{array.shape[1]}: expected those of one model"
            )
    return arrays


def read_path_list(file: Path) -> Iterator[bytes]:
    """The paths of a list: each ends with NUL where there is a NUL, else with a line break."""
    with open(file, "rb") as opened:
        rest = opened.read(CHUNK_BYTES)
        end = b"\0" if b"\0" in rest else b"\n"
        while rest:
            *whole, rest = rest.split(end)
            for path in whole:  # a list written on Windows has a return at the end of each line
                yield path.removesuffix(b"\r") if end == b"\n" else path
            chunk = opened.read(CHUNK_BYTES)
            if rest and not chunk:
                yield rest
            rest = rest + chunk if chunk else b""


def _open_array(path: Path) -> RawVectors:
    try:
        with np.errstate(over="raise"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy's reader of headers raises almost anything on hostile ones
        text = " ".join(str(error).split())
        raise EmbedtoolError(f"{path} is no .npy file that can be read: {text}") from error
    if not isinstance(array, np.memmap):
        raise EmbedtoolError(f"{path} is an archive of arrays: expected one .npy file")
    if array.dtype.type not in FLOATS or array.ndim != 2 or 0 in array.shape:
        raise EmbedtoolError(
            f"expected float16, float32 or float64 of shape (images, dimensions) in {path}, found "
            f"{array.dtype} {array.shape}"
        )
    if array.offset + array.nbytes != path.stat().st_size:
        raise EmbedtoolError(f"{path} holds more bytes than its {len(array)} rows: is it whole?")
    return array


def _in_blocks(array: RawVectors) -> Iterator[RawVectors]:
    for start in range(0, len(array), BLOCK_ROWS):
        yield array[start : start + BLOCK_ROWS]


def _read_images_jsonl(table: Path) -> Iterator[IncomingImage]:
    with open(table, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                yield IncomingImage(
                    os.fsencode(record["path"]),
                    os.fsencode(record["root"]),
                    int(np.int64(record["size"])),
                    int(np.int64(record["mtime_ns"])),
                    bytes.fromhex(record["sha256"]),
                )
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                raise EmbedtoolError(f"{table}: line {number} is broken ({error!r})") from error
