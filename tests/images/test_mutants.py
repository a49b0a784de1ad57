"""Generated pictures broken in every way: read or rejected, without a crash, a hang or a word."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.broken_pictures import SIDE, mutant
from support.indexes import content, make_index
from support.whole_pictures import originals

from embedtool.core.types import unit_rows
from embedtool.images.decode import decode_image
from embedtool.images.formats import NOISY
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader

TESTS = Path(__file__).resolve().parents[1]
CHILDREN = 2
MUTATIONS = 1_000
MOST_SECONDS = 10  # of processor time for one file
MOST_MEMORY = 1792  # MiB at the most in a process that decodes one file after another


def decoded_by_children(count: int) -> list[dict[str, Any]]:
    """What became of the mutants 0 to count - 1, decoded by child processes."""
    with ThreadPoolExecutor(CHILDREN) as pool:
        parts = pool.map(_decoded, range(CHILDREN), [count] * CHILDREN)
        return [record for part in parts for record in part]


def _decoded(first: int, last: int) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    while first < last:
        numbers = map(str, (first, last, CHILDREN))
        command = [sys.executable, "-m", "support.broken_pictures", *numbers]
        with (
            tempfile.TemporaryFile() as noise,
            subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=noise) as child,
        ):
            assert child.stdout
            for line in child.stdout:
                records.append(json.loads(line))
                first = records[-1]["number"] + CHILDREN
        if child.returncode:  # the next one ended it
            records.append({"number": first, "what": f"exit {child.returncode}", "reason": ""})
            first += CHILDREN
    return records


@pytest.mark.slow
def test_mutants_are_decoded_or_rejected(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    count = pytestconfig.getoption("mutations") or MUTATIONS
    records = decoded_by_children(count)
    odd = [r for r in records if r["what"] not in ("image", "rejected")]
    assert odd == []
    assert sorted(r["number"] for r in records) == list(range(count))
    slowest = max(records, key=lambda r: r["seconds"])
    peak = max(r["peak"] for r in records)
    table = Counter((r["format"], r["what"]) for r in records)
    lines = [
        f"{kind:5} {table[kind, 'image']:6} images {table[kind, 'rejected']:6} rejected"
        for kind in sorted({kind for kind, _ in table})
    ]
    lines.append(
        f"{count} mutants, 0 crashes, 0 hangs; slowest {slowest['number']} ({slowest['format']}): "
        f"{slowest['seconds']:.1f} s of processor; peak {peak} MiB"
    )
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert slowest["seconds"] < MOST_SECONDS, slowest
    assert peak < MOST_MEMORY
    assert {r["sniffed"] for r in records if r["noise"]} == NOISY  # the others write no word
    assert {kind for kind, _ in table} == {kind for kind, _ in originals()}


def test_whole_pictures_are_read_and_damage_is_seeded() -> None:
    for kind, data in originals():
        assert decode_image(data, SIDE).shape == (SIDE, SIDE, 3), kind
    assert mutant(1234) == mutant(1234) != mutant(1234 + len(originals()))


INDEX_FOLDER = """
import json, sys
from embedtool.core.own_process import claim_process
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.collection.sync import sync
from embedtool.store.writer import Writer
if sys.argv[3] == "own":
    claim_process()
with Writer(sys.argv[1]) as index:
    report = sync(index, [sys.argv[2]], MeanColourEmbedder)
print(json.dumps({name: getattr(report, name) for name in ("added", "duplicates", "rejected",
    "updated", "renamed", "unchanged", "removed", "total")}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("filters", "process"), [(("-W", "default"), "own"), (("-W", "error"), "a host's")]
)
def test_a_folder_of_mutants_is_indexed_in_silence(
    filters: tuple[str, ...], process: str, tmp_path: Path
) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    photos.mkdir()
    make_index(index)
    for number in range(400):
        kind, data = mutant(number)
        (photos / f"{number:04}.{kind.lower()}").write_bytes(data)
        if number % 10 == 0:
            whole = originals()[number // 10 % len(originals())]
            (photos / f"{number:04}-whole.{whole[0].lower()}").write_bytes(whole[1])
    done = subprocess.run(
        [sys.executable, *filters, "-c", INDEX_FOLDER, index, photos, process],
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert report["total"] == 440 == report["added"] + report["duplicates"] + report["rejected"]
    with IndexReader(index) as opened:
        refused = {reject.path: reject.reason for reject in opened.rejects()}
    stored = content(index)
    assert len(stored) == report["added"] + report["duplicates"]
    assert refused.keys() | set(map(Path, stored)) == set(photos.iterdir())
    assert not refused.keys() & set(map(Path, stored))
    for file in photos.glob("*-whole.*"):
        alone = MeanColourEmbedder().embed(decode_image(file.read_bytes(), 32)[None])
        assert stored[str(file)] == unit_rows(alone.astype(np.float16)).tobytes(), file
    by_libtiff = [reason for reason in refused.values() if "ZIPDecode: Decoding error" in reason]
    assert by_libtiff, "what libtiff wrote is part of the reason"
    assert not (index / "decoding").exists()
