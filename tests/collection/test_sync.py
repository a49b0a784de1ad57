"""An index holds what the photos are now, whatever changed in them."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.indexes import content, counts, run, unused_embedder
from support.pictures import encoded, picture

from embedtool.collection import sync as sync_module
from embedtool.collection.sync import sync
from embedtool.core.types import Source, unit_rows
from embedtool.errors import ImageRejected, ModelMismatch
from embedtool.images.decode import decode_image
from embedtool.images.read_file import read_source
from embedtool.models import embed_files
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def test_a_first_run_and_one_over_unchanged_photos(index: Path, photos: Path) -> None:
    report = run(index, photos)
    assert counts(report) == {"added": 6, "duplicates": 1, "rejected": 1}
    before = content(index)
    assert sorted(Path(p).name for p in before) == [
        "0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "copy of 0.png",
    ]  # fmt: skip
    assert before[str(photos / "0.png")] == before[str(photos / "sub" / "copy of 0.png")]
    fake = MeanColourEmbedder()
    for name in ("0.png", "3.png"):
        pixels = decode_image((photos / name).read_bytes(), 32)[None]
        expected = unit_rows(fake.embed(pixels).astype(np.float16))
        assert before[str(photos / name)] == expected.tobytes()
    again = run(index, photos, embedder=unused_embedder)
    assert counts(again) == {"unchanged": 7, "rejected": 1}
    assert report.images_per_second > 0 and again.images_per_second == 0
    assert content(index) == before


def test_changed_renamed_moved_copied_and_gone(index: Path, photos: Path) -> None:
    run(index, photos)
    before = content(index)
    (photos / "1.png").write_bytes(encoded(picture(11), "PNG"))
    (photos / "2.png").rename(photos / "zwei.png")
    (photos / "3.png").rename(photos / "sub" / "3.png")
    shutil.copy(photos / "4.png", photos / "4 again.png")
    (photos / "5.png").unlink()
    (photos / "new.png").write_bytes(encoded(picture(12), "PNG"))
    (photos / "bad.jpg").unlink()
    report = run(index, photos)
    assert counts(report) == {
        "added": 1, "updated": 1, "renamed": 2, "removed": 1, "duplicates": 1, "unchanged": 3,
    }  # fmt: skip
    after = content(index)
    assert after[str(photos / "zwei.png")] == before[str(photos / "2.png")]
    assert after[str(photos / "sub" / "3.png")] == before[str(photos / "3.png")]
    assert after[str(photos / "1.png")] != before[str(photos / "1.png")]
    assert str(photos / "5.png") not in after and str(photos / "2.png") not in after
    with IndexReader(index) as opened:
        assert opened.rejects() == []
        assert opened.counts()["vectors"] == 6


def test_a_touched_file_keeps_its_vector_without_the_model(index: Path, photos: Path) -> None:
    run(index, photos)
    before = content(index)
    os.utime(photos / "0.png", ns=(1, 1))

    class Unused(MeanColourEmbedder):
        def embed(self, pixels: np.ndarray) -> np.ndarray:
            raise AssertionError("nothing had to be embedded")

    assert counts(run(index, photos, embedder=Unused)) == {"unchanged": 7, "rejected": 1}
    assert content(index) == before
    assert counts(run(index, photos, embedder=unused_embedder)) == {"unchanged": 7, "rejected": 1}


def test_a_mended_reject_is_added_and_a_broken_image_rejected(index: Path, photos: Path) -> None:
    run(index, photos)
    (photos / "bad.jpg").write_bytes(encoded(picture(20)))
    (photos / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    report = run(index, photos)
    assert counts(report) == {"added": 1, "rejected": 1, "unchanged": 6}
    with IndexReader(index) as opened:
        assert [(r.path, r.stage) for r in opened.rejects()] == [(photos / "0.png", "decode")]
    assert str(photos / "0.png") not in content(index)


def test_an_unreadable_file_is_tried_again(index: Path, photos: Path) -> None:
    (photos / "lost.jpg").symlink_to(photos / "not yet.bin")
    assert counts(run(index, photos))["rejected"] == 2
    (photos / "not yet.bin").write_bytes(encoded(picture(30)))
    os.utime(photos / "not yet.bin", ns=(0, 0))
    report = run(index, photos)
    assert (report.added, report.duplicates, report.rejected) == (1, 1, 1)


def test_a_file_that_could_not_be_read_is_tried_again_with_equal_size_and_time(
    index: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions and disks change without a trace in the size and the time of a file."""

    def denied(source: Source) -> tuple[Source, bytes]:
        if source.path == b"later.jpg":
            raise ImageRejected("read", "Permission denied")
        return read_source(source)

    (photos / "later.jpg").write_bytes(encoded(picture(30)))
    with monkeypatch.context() as patch:
        patch.setattr(embed_files, "read_source", denied)
        assert counts(run(index, photos))["rejected"] == 2
    assert counts(run(index, photos)) == {"added": 1, "rejected": 1, "unchanged": 7}


@pytest.mark.parametrize(
    ("seconds", "rows", "commits"),
    [(0, 1024, [8]), (3, 1024, [1, 2, 2, 2, 1]), (0, 3, [3, 3, 2]), (3.1, 1024, [1] * 8 + [0])],
)
def test_a_batch_is_committed_when_it_is_old_or_large(
    index: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    rows: int,
    commits: list[int],
) -> None:
    """Each commit counts its images and rejects. Between two looks at the clock pass `seconds`."""
    made = []
    commit = Writer.commit

    def counting(self: Writer, **batch: Any) -> None:
        made.append(len(batch["images"]) + len(batch["rejects"]))
        commit(self, **batch)

    monkeypatch.setattr(Writer, "commit", counting)
    monkeypatch.setattr(sync_module, "COMMIT_ROWS", rows)
    clock = itertools.count(0, seconds)
    monkeypatch.setattr(sync_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run(index, photos)
    assert made == commits


def test_names_that_are_not_utf8_and_both_unicode_forms(index: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "odd")
    os.mkdir(folder)
    names = [b"caf\xe9.png", "caf\u00e9.png".encode(), "cafe\u0301.png".encode(), b"a\nb\t.png"]
    for seed, name in enumerate(names):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(encoded(picture(seed), "PNG"))
    assert counts(run(index, os.fsdecode(folder))) == {"added": 4}
    assert {os.fsencode(p) for p in content(index)} == {os.path.join(folder, n) for n in names}
    assert counts(run(index, os.fsdecode(tmp_path), embedder=MeanColourEmbedder)) == {
        "unchanged": 4
    }
    assert {os.fsencode(p) for p in content(index)} == {os.path.join(folder, n) for n in names}


def test_progress_reports_every_file_and_the_rejects(index: Path, photos: Path) -> None:
    calls: list[tuple[int, int, str, int]] = []

    def progress(done: int, total: int, *, stage: str, rejected: int = 0) -> None:
        calls.append((done, total, stage, rejected))

    with Writer(index) as target:
        sync(target, [photos], MeanColourEmbedder, progress=progress)
    assert [done for done, *_ in calls] == list(range(1, 9))
    assert calls[-1] == (8, 8, "indexing", 1)


def test_a_progress_that_raises_stops_the_run_and_keeps_what_is_done(
    index: Path, photos: Path
) -> None:
    def cancel(done: int, total: int, *, stage: str, rejected: int = 0) -> None:
        if done == 5:
            raise InterruptedError("cancelled")

    with Writer(index) as target, pytest.raises(InterruptedError, match="cancelled"):
        sync(target, [photos], MeanColourEmbedder, progress=cancel)
    with IndexReader(index) as opened:
        done = opened.counts()
    assert done["images"] + done["rejects"] == 5
    report = run(index, photos)
    assert report.unchanged + report.rejected + report.added + report.duplicates == 8
    assert report.unchanged == done["images"]


def test_an_embedder_of_another_fingerprint_gets_nothing_in(index: Path, photos: Path) -> None:
    class Other(MeanColourEmbedder):
        fingerprint = "another"

    with pytest.raises(ModelMismatch, match="another"):
        run(index, photos, embedder=Other)
    assert content(index) == {}


def test_what_indexing_may_not_need_is_not_imported_with_it() -> None:
    code = (
        "import sys, embedtool.collection.index_photos\n"
        "print({'PIL', 'faiss', 'ai_edge_litert', 'tensorflow'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
