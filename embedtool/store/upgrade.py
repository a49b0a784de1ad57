"""Upgrade format 1 to format 2: a checksum for each row, and counters so that no id is reused."""

import sqlite3

import numpy as np

from embedtool.store.database import SCHEMA
from embedtool.store.reader import IndexReader
from embedtool.store.segments import row_checksums


def upgrade_format_1(index: IndexReader, db: sqlite3.Connection) -> None:
    """Upgrade an index of format 1 to format 2, which embedtool 0.1 cannot open.

    db: the writer's connection, in a transaction. Every segment is checked first, so that a damaged
    row never gets a valid checksum.
    """
    for statement in filter(str.strip, SCHEMA[2].split(";")):
        db.execute(statement)  # `executescript` would commit the transaction
    for segment in index.segments():
        stored = index.whole_blocks(segment)
        checksums = np.concatenate([row_checksums(block) for block in stored])
        db.executemany(
            "UPDATE vectors SET crc = ? WHERE segment = ? AND row = ?",
            [(crc, segment.id, row) for row, crc in enumerate(checksums.tolist())],
        )
    for counter, table in (("next_vector", "vectors"), ("next_segment", "segments")):
        db.execute(
            f"INSERT INTO meta (key, value) SELECT ?, coalesce(max(id), 0) + 1 FROM {table}",
            (counter,),
        )
    db.execute("PRAGMA user_version = 2")
