"""An interrupted run keeps what was committed, and the next one completes it."""

from pathlib import Path

import pytest
from support.indexes import content, counts, run, unused_embedder
from support.pictures import encoded, picture

from embedtool.collection.sync import sync
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def test_ctrl_c_keeps_what_was_done(index: Path, photos: Path) -> None:
    def interrupt(done: int, total: int, *, stage: str, rejected: int = 0) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with Writer(index) as target, pytest.raises(KeyboardInterrupt):
        sync(target, [photos], MeanColourEmbedder, progress=interrupt)
    assert len(content(index)) == 4
    report = run(index, photos)
    assert (report.added, report.unchanged) == (2, 4)


def test_ctrl_c_in_the_middle_of_a_commit(index: Path, photos: Path) -> None:
    with Writer(index) as target:
        commit, calls = target.commit, 0

        def interrupted(**batch: object) -> None:
            nonlocal calls
            calls += 1
            commit(**batch)  # type: ignore[arg-type]
            if calls == 1:
                raise KeyboardInterrupt

        target.commit = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            sync(target, [photos], MeanColourEmbedder)
    assert len(content(index)) == 7
    assert counts(run(index, photos, embedder=unused_embedder)) == {"unchanged": 7, "rejected": 1}


def test_vectors_that_nobody_holds_do_not_outlive_the_next_run(index: Path, photos: Path) -> None:
    run(index, photos)
    for number in range(3):
        (photos / f"{number}.png").write_bytes(encoded(picture(70 + number), "PNG"))
    with Writer(index) as target, pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "drop", lambda *rest: None)  # killed before the last step
        sync(target, [photos], MeanColourEmbedder)
        assert target.counts()["vectors"] == 9
    run(index, photos, embedder=unused_embedder)
    with IndexReader(index) as opened:
        assert opened.counts()["vectors"] == 7  # 6 of its own, and the copy of 0 as it was
