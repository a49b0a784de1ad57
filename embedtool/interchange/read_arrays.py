"""Read vectors from .npy files, paths from text files, and images from images.jsonl."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from embedtool.core.foreign_files import MAX_LINE, bounded_lines, open_regular, parse_json
from embedtool.errors import EmbedtoolError
from embedtool.interchange.card import Card
from embedtool.interchange.incoming import BLOCK_ROWS, IncomingImage, IncomingVectors, RawVectors

FLOATS = (np.float16, np.float32, np.float64)
CHUNK_BYTES = 1 << 20  # bytes of a path list read at a time


def read_arrays(files: list[Path], paths: Path) -> IncomingVectors:
    """Read .npy files, with one list of paths for all of their rows."""
    arrays = open_arrays(files)
    rows, path_count = sum(map(len, arrays)), sum(1 for _ in read_path_list(paths))
    if rows != path_count:
        where = files[0] if len(files) == 1 else files[0].parent
        raise EmbedtoolError(
            f"expected one path per vector, in the same order, but {where} has {rows} vectors and "
            f"{paths} has {path_count} paths"
        )
    images = map(IncomingImage, read_path_list(paths))
    blocks = (
        (list(islice(images, len(raw))), raw) for array in arrays for raw in _in_blocks(array)
    )
    return IncomingVectors(rows, arrays[0].shape[1], None, tuple(files), blocks)


def read_export_folder(folder: Path, card: Card) -> IncomingVectors:
    """Read an export in the format "npy"."""
    file, table = folder / "vectors.npy", folder / "images.jsonl"
    [vectors] = open_arrays([file])
    image_count = sum(1 for _ in _lines(table))
    if len(vectors) != image_count:
        raise EmbedtoolError(
            f"expected as many images as vectors, but {file} has {len(vectors)} vectors and "
            f"{table} has {image_count} images"
        )
    images = _read_images_jsonl(table)
    blocks = ((list(islice(images, len(raw))), raw) for raw in _in_blocks(vectors))
    return IncomingVectors(len(vectors), vectors.shape[1], card, (file,), blocks)


def open_arrays(files: list[Path]) -> list[RawVectors]:
    """Return the memory-mapped rows (n, d) of .npy files, all of one d. Raises EmbedtoolError if a
    file is not one complete array of float16, float32 or float64 with two dimensions."""
    arrays = [_open_array(file) for file in files]
    for file, array in zip(files, arrays, strict=True):
        if array.shape[1] != arrays[0].shape[1]:
            raise EmbedtoolError(
                f"expected vectors of one model, but {files[0].name} has {arrays[0].shape[1]} "
                f"dimensions and {file.name} has {array.shape[1]}"
            )
    return arrays


def read_path_list(file: Path) -> Iterator[bytes]:
    """Yield the paths of a list. They end with NUL if the list contains one, else with a line
    break."""
    with open_regular(file, follow=True) as opened:
        rest = opened.read(CHUNK_BYTES)
        end = b"\0" if b"\0" in rest else b"\n"
        while rest:
            *whole, rest = rest.split(end)
            if len(rest) > MAX_LINE:
                raise EmbedtoolError(
                    f"expected a list of paths, but {file} has a line of over {MAX_LINE:,} bytes"
                )
            for path in whole:  # on Windows, lines end with a carriage return too
                yield path.removesuffix(b"\r") if end == b"\n" else path
            chunk = opened.read(CHUNK_BYTES)
            if rest and not chunk:
                yield rest
            rest = rest + chunk if chunk else b""


def _open_array(path: Path) -> RawVectors:
    open_regular(path, follow=True).close()  # numpy would wait for a pipe
    try:
        with np.errstate(over="raise"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy raises almost anything for a malformed header
        text = " ".join(str(error).split())
        raise EmbedtoolError(f"{path} cannot be read as a .npy file: {text}") from error
    if not isinstance(array, np.memmap):
        raise EmbedtoolError(f"expected one .npy file, but {path} is an archive of arrays")
    if array.dtype.type not in FLOATS or array.ndim != 2 or 0 in array.shape:
        raise EmbedtoolError(
            f"expected float16, float32 or float64 of shape (images, dimensions) in {path}, "
            f"received {array.dtype} of shape {array.shape}"
        )
    if array.offset + array.nbytes != path.stat().st_size:
        raise EmbedtoolError(f"{path} has bytes beyond its {len(array)} rows. Write it again")
    return array


def _in_blocks(array: RawVectors) -> Iterator[RawVectors]:
    for start in range(0, len(array), BLOCK_ROWS):
        yield array[start : start + BLOCK_ROWS]


def _read_images_jsonl(table: Path) -> Iterator[IncomingImage]:
    for number, line in enumerate(_lines(table), 1):
        try:
            record = parse_json(line)
            yield IncomingImage(
                os.fsencode(record["path"]),
                os.fsencode(record["root"]),
                int(np.int64(record["size"])),
                int(np.int64(record["mtime_ns"])),
                bytes.fromhex(record["sha256"]),
            )
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise EmbedtoolError(
                f"line {number} of {table} is damaged ({error!r}). Export the index again"
            ) from error


def _lines(table: Path) -> Iterator[bytes]:
    with open_regular(table, follow=True) as lines:
        try:
            yield from bounded_lines(lines)
        except ValueError as error:
            raise EmbedtoolError(
                f"{table} cannot be read: {error}. Export the index again"
            ) from None
