"""The record of what is being decoded, which a run that was killed leaves behind."""

import hashlib
from pathlib import Path

import pytest
from support.indexes import content, counts, make_index, run

from embedtool.collection.sync import sync
from embedtool.errors import EmbedtoolError
from embedtool.images.quarantine import EMPTY, RECORD_HEAD, SLOT
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.writer import Writer


def named_by(*files: Path) -> bytes:
    return RECORD_HEAD + EMPTY + b"".join(hashlib.sha256(f.read_bytes()).digest() for f in files)


def test_an_innocent_suspect_is_embedded(index: Path, photos: Path, tmp_path: Path) -> None:
    (index / "decoding").write_bytes(named_by(photos / "03.png", photos / "04.png"))
    assert counts(run(index, photos)) == {"added": 40}
    make_index(tmp_path / "other")
    run(tmp_path / "other", photos)
    assert content(index) == content(tmp_path / "other")
    assert not (index / "decoding").exists()


@pytest.mark.parametrize(
    "left", [b"", RECORD_HEAD[:7], RECORD_HEAD, RECORD_HEAD + EMPTY * 2 + b"torn"]
)
def test_a_record_cut_short_is_one_of_ours(left: bytes, index: Path, photos: Path) -> None:
    (index / "decoding").write_bytes(left)
    assert counts(run(index, photos)) == {"added": 40}
    assert not (index / "decoding").exists()


def test_a_foreign_file_of_that_name_is_kept(index: Path, photos: Path) -> None:
    (index / "decoding").write_bytes(b"my notes")
    with pytest.raises(EmbedtoolError, match=r"found a file of another kind\. Move it"):
        run(index, photos)
    assert (index / "decoding").read_bytes() == b"my notes"


@pytest.mark.parametrize("suspects", [(), ("39.png",)])
def test_an_interrupted_run_forgets_no_suspect(
    suspects: tuple[str, ...], index: Path, photos: Path
) -> None:
    left = named_by(*(photos / name for name in suspects))
    if suspects:
        (index / "decoding").write_bytes(left)

    def interrupt(done: int, total: int, *, stage: str, rejected: int = 0) -> None:
        raise KeyboardInterrupt

    with Writer(index) as target, pytest.raises(KeyboardInterrupt):
        sync(target, [photos], MeanColourEmbedder, progress=interrupt)
    if suspects:
        record = (index / "decoding").read_bytes()
        assert record.startswith(left) and not any(record[len(left) :])
        assert len(record) % SLOT == 0
    else:
        assert not (index / "decoding").exists()
