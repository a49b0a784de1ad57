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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.atomic_files import HashingWriter, atomic_write
from embedtool.errors import DerivedDamaged

SEARCH = "search"  # the approximate search index; its description is its certificate
CENTRE = "centre"  # the vector that similarity is measured from


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
    index: Path, name: str, fingerprint: str
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
    """Return the description and the arrays, or None if they are missing or damaged.

    Damage is not an error here, because the arrays can be made again."""
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
        manifest = dict(json.loads(file.read_bytes()))
        check = manifest.pop("check")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DerivedDamaged(f"cannot read {file}: {error}") from error
    if check != _checksum(manifest):
        raise DerivedDamaged(f"{file} has changed since it was published (checksum differs)")
    return manifest


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> tuple[int, str]:
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return os.fstat(opened.fileno()).st_size, digest
