"""Derived files: made from the catalogue and the vectors, lost without harm, checked before use.

    <index>/derived/<name>.json              what it is, of what it was made, the digest of:
    <index>/derived/<name>-<digest>.<kind>   its content

The content gets a name of its own and is on disk before the one rename that makes the .json speak
of it, so a crash leaves the old pair or the new one. Only a writer publishes. One that was made for
another fingerprint is as if it were not there.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import HashingWriter, atomic_write
from embedtool.errors import DerivedDamaged

SEARCH = "search"  # the approximate search index; what is said of it is its certificate


def publish(
    index: Path,
    name: str,
    kind: str,
    about: dict[str, Any],
    write: Callable[[Callable[[bytes], object]], object],
    *,
    fingerprint: str,
) -> None:
    """Write a derived file and what there is to say about it, and remove what it replaces.

    write: hands its content, piece by piece, to the function that it is given.
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
    """The same, of named arrays."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    data = content.getvalue()
    publish(index, name, "npz", about, lambda write: write(data), fingerprint=fingerprint)


def open_arrays(
    index: Path, name: str, fingerprint: str
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
    """What was said about them, and the arrays; None where there are none, or they are damaged:
    they are made anew."""
    try:
        opened = open_derived(index, name, fingerprint)
    except DerivedDamaged:
        return None
    if opened is None:
        return None
    about, file = opened
    with np.load(file, allow_pickle=False) as arrays:
        return about, dict(arrays)


def publication(index: Path, name: str) -> tuple[int, int] | None:
    """What changes whenever a derived file is published anew; None where there is none."""
    try:
        status = os.stat(index / "derived" / f"{name}.json")
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def read_about(index: Path, name: str, fingerprint: str) -> dict[str, Any] | None:
    """What was said about a derived file when it was published; None where there is none.

    Raises DerivedDamaged.
    """
    manifest = _manifest(index, name, fingerprint)
    return None if manifest is None else manifest["about"]


def open_derived(index: Path, name: str, fingerprint: str) -> tuple[dict[str, Any], Path] | None:
    """The same, and its content file, whose every byte has been checked.

    Raises DerivedDamaged.
    """
    manifest = _manifest(index, name, fingerprint)
    if manifest is None:
        return None
    return manifest["about"], _verified_content(index, manifest)


def damaged_derived(index: Path) -> list[str]:
    """What is wrong with the derived files of an index, of whatever fingerprint; [] if all are
    whole."""
    faults = []
    for file in sorted((index / "derived").glob("*.json")):
        try:
            if manifest := _read(index, file.stem):
                _verified_content(index, manifest)
        except DerivedDamaged as error:
            makers = ("compact",) if file.stem == SEARCH else ("cluster", "map")
            anew = " or ".join(f"embedtool {maker} {index}" for maker in makers)
            faults.append(f"{error}; nothing is lost, make it anew: {anew}")
    return faults


def _verified_content(index: Path, manifest: dict[str, Any]) -> Path:
    """The content file that a manifest names, if it is what was published."""
    file: Path = index / "derived" / manifest["file"]
    try:
        found = _digest(file)
    except OSError as error:
        raise DerivedDamaged(f"cannot read {file}: {error.strerror}") from error
    if found != (manifest["bytes"], manifest["sha256"]):
        raise DerivedDamaged(f"{file} is not what was published (SHA-256 differs)")
    return file


def _manifest(index: Path, name: str, fingerprint: str) -> dict[str, Any] | None:
    manifest = _read(index, name)
    return manifest if manifest and manifest.get("fingerprint") == fingerprint else None


def _read(index: Path, name: str) -> dict[str, Any] | None:
    file = index / "derived" / f"{name}.json"
    try:
        manifest = dict(json.loads(file.read_bytes()))
        check = manifest.pop("check")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DerivedDamaged(f"cannot read {file}: {error}") from error
    if check != _checksum(manifest):
        raise DerivedDamaged(f"{file} is not what was published")
    return manifest


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> tuple[int, str]:
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return os.fstat(opened.fileno()).st_size, digest
