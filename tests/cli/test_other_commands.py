"""`info`, `rejects`, `verify`, `doctor`, `compact`, `model` and `demo`."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import embedtool, embedtool_here
from support.labelled import make_index

from embedtool.core.types import Vectors
from embedtool.errors import UsageError
from embedtool.models import unrelated_vectors
from embedtool.store.reader import IndexReader


def test_info_rejects_verify_doctor(index: Path, drawn: Path) -> None:
    info = json.loads(embedtool("info", index, "--json").out)
    assert (info["images"], info["vectors"], info["rejects"]) == (37, 36, 1)
    assert info["model"] == "builtin" and info["dim"] == 1280 and info["roots"] == [str(drawn)]
    [reject] = json.loads(embedtool("rejects", index, "--json").out)["rejects"]
    assert reject["path"] == str(drawn / "sunset" / "cut off.jpg") and reject["stage"] == "decode"
    assert "truncated" in reject["reason"]
    assert json.loads(embedtool("verify", index, "--json").out)["intact"] is True
    cosines = json.loads(embedtool("doctor", index, "--json").out)["golden_cosines"]
    assert len(cosines) == 3 and min(cosines) > 0.9999


def test_verify_embeds_a_sample_again(index: Path, drawn: Path, tmp_path: Path) -> None:
    done = embedtool("verify", index, "--deep", "--json")
    deep = json.loads(done.out)["deep"]
    assert done.code == 0 and deep["faults"] == []
    assert (deep["compared"], deep["skipped"]) == (36, 0), "of two copies one is compared"
    assert deep["lowest_cosine"] > 0.9999
    photos, other = tmp_path / "photos", tmp_path / "other"
    shutil.copytree(drawn / "fish", photos)
    assert embedtool("index", photos, "--index", other, "--model", "builtin").code == 0
    one, two, _ = sorted(photos.iterdir())
    status = one.stat()
    data = bytearray(two.read_bytes()[: status.st_size].ljust(status.st_size, b"\0"))
    one.write_bytes(data)  # another picture, with nothing to show it from outside
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    two.unlink()
    done = embedtool("verify", other, "--deep", "--json")
    deep = json.loads(done.out)["deep"]
    assert done.code == 3 and str(one) in deep["faults"][0]
    assert deep["skipped"] == 1 and embedtool("verify", other).code == 0


def test_compact_gives_space_back(drawn: Path, tmp_path: Path) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    shutil.copytree(drawn, photos)
    assert embedtool("index", photos, "--index", index, "--model", "builtin").code == 0
    shutil.rmtree(photos / "fish")
    assert embedtool("index", photos, "--index", index).code == 0
    info = json.loads(embedtool("info", index, "--json").out)
    assert info["dead_rows"] == 3
    report = json.loads(embedtool("compact", index, "--json").out)
    assert report["bytes_before"] - report["bytes_after"] == 3 * 1280 * 2
    info = json.loads(embedtool("info", index, "--json").out)
    assert (info["dead_rows"], info["vectors"]) == (0, 33) and info["certificate"] is None
    assert json.loads(embedtool("verify", index, "--json").out)["intact"] is True


def test_model_commands() -> None:
    listed = json.loads(embedtool("model", "list", "--json").out)["models"]
    assert {"builtin"} <= {m["model"] for m in listed}
    info = json.loads(embedtool("model", "info", "builtin", "--json").out)
    assert info["layers"]["out_relu"] == 1280 and info["card"]["measured"]
    pulled = embedtool("model", "pull", "builtin")
    assert pulled.code == 0 and info["fingerprint"] in pulled.out


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    done = embedtool_here("demo", "--out", tmp_path / "demo", "--json")
    result = json.loads(done.out)
    assert done.code == 0
    assert (result["images"], result["rejected"]) == (362, 1)
    assert result["precision_at_10"] > 0.9
    assert Path(result["search_page"]).read_text().count("<img") == 12 * 11
    assert result["clusters"] == 12
    assert "<title>Map of index</title>" in Path(result["map_page"]).read_text()


def test_bench_search_measures_with_unrelated_pictures_if_the_network_is_at_hand(
    index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(unrelated_vectors, "PER_KIND", 1)
    monkeypatch.setenv("EMBEDTOOL_CACHE_DIR", str(tmp_path))
    given: list[Callable[[str, int], Vectors | None]] = []

    def run(_: Path, **options: Any) -> None:
        given.append(options["unrelated"])
        raise UsageError("so far")

    monkeypatch.setattr("embedtool.search.benchmark.run_search_bench", run)
    with IndexReader(index) as opened:
        fingerprint, dim = opened.fingerprint, opened.dim
    assert embedtool_here("bench", "search", index).code == 2
    rows = given[0](fingerprint, dim)
    assert rows is not None and rows.shape == (12, 1280)
    imported = make_index(tmp_path / "made", rows[:, :8], [f"{n}.jpg" for n in range(12)])
    assert embedtool_here("bench", "search", imported).code == 2
    assert given[1]("0" * 64, 8) is None, "these vectors have no network"
