"""Derived files: made from the catalogue and the vectors, safe to delete, checked before use.

    <index>/derived/<name>.json              the manifest: description, fingerprint, SHA-256
    <index>/derived/<name>-<digest>.<kind>   the content

The content gets a new name and is on disk before a single rename makes the manifest refer to it, so
a crash leaves either the old pair or the new one. Only a writer publishes. A file that was made for
another fingerprint is ignored.
"""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import HashingWriter, atomic_write
from embedtool.core.foreign_files import open_regular, read_json
from embedtool.errors import DerivedDamaged

SEARCH = "search"  # the approximate search index; its description is its certificate
CENTRE = "centre"  # the vector that similarity is measured from
MANIFEST = {"fingerprint": str, "about": dict, "file": str, "bytes": int, "sha256": str}
Arrays = dict[str, npt.NDArray[Any]]


def publish(
    index: Path,
    name: str,
    kind: str,
    about: dict[str, Any],
    write: Callable[[Callable[[bytes], object]], object],
    *,
    fingerprint: str,
) -> None:
    """Write a derived file and its description, and remove the file it replaces.

    about: the description. write: passes the content, in pieces, to the function it receives.
    """
    folder = index / "derived"
    folder.mkdir(exist_ok=True)
    draft = folder / f"{name}.{kind}"
    with atomic_write(draft) as opened:
        made = HashingWriter(opened)
        write(made.write)
    sha256 = made.digest.hexdigest()
    content = draft.replace(folder / f"{name}-{sha256[:16]}.{kind}")
    manifest = {
        "fingerprint": fingerprint,
        "about": about,
        "file": content.name,
        "bytes": made.size,
        "sha256": sha256,
    }
    with atomic_write(folder / f"{name}.json") as file:
        file.write(json.dumps({**manifest, "check": _checksum(manifest)}, indent=1).encode())
    for old in folder.glob(f"{name}-*.{kind}"):
        if old != content:
            old.unlink()


def publish_arrays(
    index: Path, name: str, about: dict[str, Any], *, fingerprint: str, **arrays: npt.NDArray[Any]
) -> None:
    """Write named arrays as a derived file with `publish`."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    data = content.getvalue()
    publish(index, name, "npz", about, lambda write: write(data), fingerprint=fingerprint)


def open_arrays(
    index: Path, name: str, fingerprint: str, **expected: tuple[Any, str]
) -> tuple[dict[str, Any], Arrays] | None:
    """Return the description and the arrays, or None if they are missing or damaged.

    Damage is not an error here, because the arrays can be made again. expected: the dtype of each
    array and a letter for each of its axes; axes with one letter have one length."""
    try:
        opened = open_derived(index, name, fingerprint)
    except DerivedDamaged:
        return None
    if opened is None:
        return None
    about, file = opened
    try:
        with open_regular(file) as content, np.load(content, allow_pickle=False) as arrays:
            packed = any(i.compress_type != zipfile.ZIP_STORED for i in arrays.zip.infolist())
            found = {} if packed else dict(arrays)
    except Exception:  # numpy parses headers as Python, and these can raise any exception
        return None
    return (about, found) if _fit(found, expected) else None


def _fit(arrays: Arrays, expected: dict[str, tuple[Any, str]]) -> bool:
    lengths: dict[str, int] = {}
    return arrays.keys() == expected.keys() and all(
        arrays[name].dtype == dtype
        and arrays[name].ndim == len(axes)
        and all(
            lengths.setdefault(axis, length) == length
            for axis, length in zip(axes, arrays[name].shape, strict=True)
        )
        for name, (dtype, axes) in expected.items()
    )


def publication(index: Path, name: str) -> tuple[int, int] | None:
    """Return a value that changes whenever a derived file is published, or None without one."""
    try:
        status = os.stat(index / "derived" / f"{name}.json")
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def read_about(index: Path, name: str, fingerprint: str) -> dict[str, Any] | None:
    """Return the description of a derived file, or None if there is none.

    Raises DerivedDamaged.
    """
    manifest = _manifest(index, name, fingerprint)
    return None if manifest is None else manifest["about"]


def open_derived(index: Path, name: str, fingerprint: str) -> tuple[dict[str, Any], Path] | None:
    """Return the description and the content of a derived file, or None if there is none.

    Every byte of the content has been checked. Raises DerivedDamaged.
    """
    manifest = _manifest(index, name, fingerprint)
    if manifest is None:
        return None
    return manifest["about"], _verified_content(index, manifest)


def damaged_derived(index: Path) -> list[str]:
    """Return the faults of all derived files of an index, of any fingerprint; [] if none."""
    faults = []
    for file in sorted((index / "derived").glob("*.json")):
        try:
            if manifest := _read(index, file.stem):
                _verified_content(index, manifest)
        except DerivedDamaged as error:
            makers = ("compact",) if file.stem in (SEARCH, CENTRE) else ("cluster", "map")
            commands = " or ".join(f"embedtool {maker} {index}" for maker in makers)
            faults.append(f"{error}. No data is lost. To make the file again, run: {commands}")
    return faults


def _verified_content(index: Path, manifest: dict[str, Any]) -> Path:
    """Return the content file of a manifest. Raises DerivedDamaged if it has changed."""
    file: Path = index / "derived" / manifest["file"]
    try:
        found = _digest(file)
    except OSError as error:
        raise DerivedDamaged(f"cannot read {file}: {error.strerror}") from error
    if found != (manifest["bytes"], manifest["sha256"]):
        raise DerivedDamaged(f"{file} has changed since it was published (SHA-256 differs)")
    return file


def _manifest(index: Path, name: str, fingerprint: str) -> dict[str, Any] | None:
    manifest = _read(index, name)
    return manifest if manifest and manifest.get("fingerprint") == fingerprint else None


def _read(index: Path, name: str) -> dict[str, Any] | None:
    file = index / "derived" / f"{name}.json"
    try:
        manifest = dict(read_json(file))
        check = manifest.pop("check")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DerivedDamaged(f"cannot read {file}: {error}") from error
    if check != _checksum(manifest):
        raise DerivedDamaged(f"{file} has changed since it was published (checksum differs)")
    if {key: type(value) for key, value in manifest.items()} != MANIFEST or not re.fullmatch(
        rf"{re.escape(name)}-[0-9a-f]{{16}}\.[a-z]+", manifest["file"]
    ):
        raise DerivedDamaged(f"{file} is not the description of a derived file")
    return manifest


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> tuple[int, str]:
    with open_regular(file) as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return os.fstat(opened.fileno()).st_size, digest
