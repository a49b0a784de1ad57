"""An index of drawn pictures, made by the command."""

import json
from pathlib import Path

import pytest
from support.command import embedtool

INDEX_KEYS = {
    "schema", "index", "model", "added", "updated", "renamed", "removed", "unchanged",
    "duplicates", "rejected", "total", "seconds", "images_per_second",
}  # fmt: skip


@pytest.fixture(scope="session")
def index(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "index"
    done = embedtool("index", drawn, "--index", path, "--model", "builtin", "--json")
    report = json.loads(done.out)
    assert done.code == 0 and set(report) == INDEX_KEYS
    assert report["schema"] == 2
    assert (report["added"], report["duplicates"], report["rejected"]) == (36, 1, 1)
    assert report["total"] == 38 and report["model"] == "builtin"
    assert done.err == f"note: rejected files: 1; reasons: embedtool rejects {path}\n"
    return path
