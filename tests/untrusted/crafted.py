"""Indexes that a stranger crafted, each made from a whole one. `outside` is a folder of the user's
that no command may change."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from embedtool.core.foreign_files import SUPER_JOURNAL
from embedtool.store.layout import FILES, FOLDERS, JOURNAL

Craft = Callable[[Path, Path], None]
DEEP = "[" * 100_000 + "]" * 100_000
ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT x AS id, x AS path FROM n"
)


def sql(*statements: str) -> Craft:
    """Run statements in the catalogue. A missing seal says nothing, so it is deleted."""

    def craft(index: Path, outside: Path) -> None:
        with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)
        (index / "catalog.sha256").unlink()

    return craft


def link(name: str) -> Craft:
    """Move a file or folder of an index outside, and leave a link to it."""

    def craft(index: Path, outside: Path) -> None:
        (index / "derived").mkdir(exist_ok=True)
        target, place = outside / "target", index / name
        if place.exists():
            place.rename(target)
        else:
            target.write_bytes(b"mine")
        place.symlink_to(target)

    return craft


def dangling_link(name: str) -> Craft:
    """A file that is created through this link would be outside."""

    def craft(index: Path, outside: Path) -> None:
        (index / name).unlink(missing_ok=True)
        (index / name).symlink_to(outside / "new")

    return craft


def pipe(name: str) -> Craft:
    """Opening it waits for a writer that never comes."""

    def craft(index: Path, outside: Path) -> None:
        (index / name).unlink(missing_ok=True)
        os.mkfifo(index / name)

    return craft


def journal_of_another_file(index: Path, outside: Path) -> None:
    """SQLite rolls such a journal back, and then deletes the file that it names."""
    name = os.fsencode(outside / "photo.jpg")
    size = 4096
    pages = (index / "catalog.sqlite").stat().st_size // size
    header = bytes.fromhex("d9d505f920a163d7") + b"".join(
        number.to_bytes(4, "big") for number in (0, 0, pages, 512, size)
    )
    lock_page = (2**30 // size + 1).to_bytes(4, "big")
    checksum = sum(byte - 256 * (byte > 127) for byte in name) & 0xFFFFFFFF
    tail = len(name).to_bytes(4, "big") + checksum.to_bytes(4, "big") + SUPER_JOURNAL
    (index / JOURNAL).write_bytes(header.ljust(512, b"\0") + lock_page + name + tail)


def scan_without_end(table: str) -> Craft:
    """Put pages above those of a table, each of which refers 400 times to the next."""

    def craft(index: Path, outside: Path) -> None:
        file, size, cells = index / "catalog.sqlite", 4096, 400
        with closing(sqlite3.connect(file)) as db:
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            [root] = db.execute(query, (table,)).fetchone() or (1,)
        content = file.read_bytes()
        pages = [content[start : start + size] for start in range(0, len(content), size)]
        start = 100 if root == 1 else 0  # after the header of the file
        top = pages[root - 1]
        header = top[start : start + 8]
        header += top[start + 8 :][: 2 * int.from_bytes(header[3:5], "big")]
        pages.append(header + top[len(header) :])
        for _ in range(16):
            pages.append(_interior(len(pages), cells, size, 0))
        pages[root - 1] = top[:start] + _interior(len(pages), cells, size, start)
        pages[0] = pages[0][:28] + len(pages).to_bytes(4, "big") + pages[0][32:]
        file.write_bytes(b"".join(pages))
        (index / "catalog.sha256").unlink()

    return craft


def _interior(child: int, cells: int, size: int, start: int) -> bytes:
    """An interior page of a table, without the header of the file, all of whose cells refer to
    `child`."""
    cell = child.to_bytes(4, "big") + b"\1"
    first = size - cells * len(cell)
    header = b"\5\0\0" + cells.to_bytes(2, "big") + first.to_bytes(2, "big") + b"\0"
    places = [(first + len(cell) * n).to_bytes(2, "big") for n in range(cells)]
    top = header + child.to_bytes(4, "big") + b"".join(places)
    return top.ljust(first - start, b"\0") + cell * cells


def seal(text: str) -> Craft:
    def craft(index: Path, outside: Path) -> None:
        (index / "catalog.sha256").write_text(text)

    return craft


def meta(key: str, value: str) -> Craft:
    return sql(f"UPDATE meta SET value = {value} WHERE key = '{key}'")


REFUSED: dict[str, Craft] = {  # by every command
    **{f"link {name}": link(name) for name in (*FILES, *FOLDERS)},
    **{f"dangling link {name}": dangling_link(name) for name in FILES if name != "catalog.sqlite"},
    **{f"pipe {name}": pipe(name) for name in FILES if name != "catalog.sqlite"},
    "journal of another file": journal_of_another_file,
    **{f"scan of {t} without end": scan_without_end(t) for t in ("segments", "images", "schema")},
    "endless view": sql("ALTER TABLE roots RENAME TO r", f"CREATE VIEW roots AS {ENDLESS}"),
    "another table": sql("CREATE TABLE more (x)"),
    "another view": sql(f"CREATE VIEW more AS {ENDLESS}"),
    "another index": sql("CREATE INDEX more ON images (size)"),
    "trigger": sql("CREATE TRIGGER t AFTER INSERT ON roots BEGIN DELETE FROM images; END"),
    "another column": sql("ALTER TABLE images ADD COLUMN more TEXT"),
    "generated column": sql("ALTER TABLE images ADD COLUMN more AS (abs(size))"),
    "missing column": sql("ALTER TABLE rejects DROP COLUMN reason"),
    "missing index": sql("DROP INDEX vectors_by_place"),
    "missing table": sql("DROP TABLE rejects"),
    "renamed column": sql("ALTER TABLE images RENAME COLUMN size TO length"),
    "partial index": sql(
        "DROP INDEX images_by_vector", "CREATE INDEX images_by_vector ON images (vector) WHERE size"
    ),
    "index of an expression": sql(
        "DROP INDEX images_by_vector", "CREATE INDEX images_by_vector ON images (abs(vector))"
    ),
    "virtual table": sql(
        "DROP TABLE rejects",
        "CREATE VIRTUAL TABLE rejects USING rtree(root, path, size, mtime_ns, stage)",
    ),
    "default value": sql(
        "DROP TABLE rejects",
        "CREATE TABLE rejects (root INTEGER NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, "
        "mtime_ns INTEGER NOT NULL DEFAULT (abs(1)), stage TEXT NOT NULL, reason TEXT NOT NULL, "
        "PRIMARY KEY (root, path))",
    ),
    "statistics of the planner": sql("ANALYZE"),
    "WAL mode": sql("PRAGMA journal_mode = WAL"),
    "format 0": sql("PRAGMA user_version = 0"),
    "negative format": sql("PRAGMA user_version = -1"),
    "format 1 in name only": sql("PRAGMA user_version = 1"),
    "dim as text": meta("dim", "'49'"),
    "no dim": meta("dim", "0"),
    "huge dim": meta("dim", "1 << 40"),
    "golden as text": meta("golden", "'x'"),
    "golden of another length": meta("golden", "zeroblob(7)"),
    "recipe as blob": meta("recipe", "x'00'"),
    "recipe as list": meta("recipe", "'[1]'"),
    "recipe without end": meta("recipe", f"'{DEEP}'"),
    "recipe of wrong types": meta("recipe", "json_set(value, '$.size', 'x')"),
    "recipe with more": meta("recipe", "json_set(value, '$.more', 1)"),
    "recipe of another network": meta("recipe", "json_set(value, '$.weights', 'x')"),
    "model as blob": meta("model", "x'00'"),
    "counter as text": meta("next_vector", "'x'"),
    "huge counter": meta("next_segment", "(1 << 62) * 2 - 1"),
    "no creator": sql("DELETE FROM meta WHERE key = 'created_by'"),
}
FOUND: dict[str, Craft] = {  # when the value is read, and by `verify`
    "relative root": sql("UPDATE roots SET path = CAST('photos' AS BLOB)"),
    "root as URL": sql("UPDATE roots SET path = CAST('https://example.org/' AS BLOB)"),
    "root that goes up": sql("UPDATE roots SET path = CAST('/photos/../etc' AS BLOB)"),
    "root with NUL": sql("UPDATE roots SET path = x'2f7200'"),
    "root as text": sql("UPDATE roots SET path = '/r'"),
    "path that goes up": sql("UPDATE images SET path = CAST('../../x' AS BLOB) WHERE id = 1"),
    "path that goes up inside": sql("UPDATE images SET path = CAST('a/../b' AS BLOB) WHERE id = 1"),
    "absolute path": sql("UPDATE images SET path = CAST('/etc/passwd' AS BLOB) WHERE id = 1"),
    "path with NUL": sql("UPDATE images SET path = x'6100' WHERE id = 1"),
    "path as text": sql("UPDATE images SET path = 'x' WHERE id = 1"),
    "size as text": sql("UPDATE images SET size = 'x' WHERE id = 1"),
    "time as real": sql("UPDATE images SET mtime_ns = 1.5 WHERE id = 1"),
    "digest as text": sql("UPDATE vectors SET digest = 'x' WHERE id = 1"),
    "row as text": sql("UPDATE vectors SET row = 'x' WHERE id = 1"),
    "row without end": sql("UPDATE vectors SET row = 1 << 40 WHERE id = 1"),
    "checksum as NULL": sql("UPDATE vectors SET crc = NULL WHERE id = 1"),
    "checksum as large number": sql("UPDATE vectors SET crc = 1 << 40 WHERE id = 1"),
    "segment of no rows": sql("UPDATE segments SET rows = 0"),
    "segment of negative rows": sql("UPDATE segments SET rows = -5"),
    "segment of too many rows": sql("UPDATE segments SET rows = 1 << 50"),
    "segment size as text": sql("UPDATE segments SET bytes = 'x'"),
    "segment digest as blob": sql("UPDATE segments SET sha256 = x'00'"),
    "segment as link": link("vectors/000001.npy"),
    "segment as pipe": pipe("vectors/000001.npy"),
    "reject that goes up": sql(
        "INSERT INTO rejects (root, path, size, mtime_ns, stage, reason) "
        "VALUES (1, CAST('../x' AS BLOB), 1, 1, 'read', 'x')"
    ),
    "reject as blob": sql(
        "INSERT INTO rejects (root, path, size, mtime_ns, stage, reason) "
        "VALUES (1, x'78', 1, 1, x'00', x'00')"
    ),
}
HARMLESS: dict[str, Craft] = {  # what is wrong is ignored, and the index is used
    "seal without end": seal(DEEP),
    "seal of wrong types": seal(json.dumps({"change_counter": [], "sha256": 1})),
    "constraint that never ends": sql(
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'row INTEGER NOT NULL', "
        "'row INTEGER NOT NULL CHECK (length(hex(zeroblob(100000000))))') WHERE name = 'vectors'",
    ),
}
