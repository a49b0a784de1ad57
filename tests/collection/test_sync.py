"""An index says what the photos are now, whatever happened to them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.indexes import content, counts, make_index, run
from support.pictures import encoded, picture

from embedtool.collection.sync import sync
from embedtool.errors import ModelMismatch, NotAnIndex, PhotosMissing
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

NEVER: Callable[[], MeanColourEmbedder] = lambda: pytest.fail("the model was loaded")  # noqa: E731


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_index(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(encoded(picture(seed), "PNG"))
    (folder / "sub" / "copy of 0.png").write_bytes(encoded(picture(0), "PNG"))
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder


def test_a_first_run_and_one_over_unchanged_photos(index: Path, photos: Path) -> None:
    report = run(index, photos)
    assert counts(report) == {"added": 6, "duplicates": 1, "rejected": 1}
    before = content(index)
    assert sorted(Path(p).name for p in before) == [
        "0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "copy of 0.png",
    ]  # fmt: skip
    assert before[str(photos / "0.png")] == before[str(photos / "sub" / "copy of 0.png")]
    fake = MeanColourEmbedder()
    from embedtool.core.types import unit_rows
    from embedtool.images.decode import decode_image

    for name in ("0.png", "3.png"):
        pixels = decode_image((photos / name).read_bytes(), 32)[None]
        expected = unit_rows(fake.embed(pixels).astype(np.float16))
        assert before[str(photos / name)] == expected.tobytes()
    assert counts(run(index, photos, embedder=NEVER)) == {"unchanged": 7, "rejected": 1}
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
    assert counts(run(index, photos, embedder=NEVER)) == {"unchanged": 7, "rejected": 1}


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


@pytest.mark.parametrize("emptied", [True, False])
def test_a_root_that_is_missing_or_empty_empties_nothing(
    index: Path, photos: Path, emptied: bool
) -> None:
    run(index, photos)
    before = content(index)
    photos.rename(photos.with_name("unmounted"))
    if emptied:
        photos.mkdir()
        (photos / "readme.txt").write_text("mount point")
    with pytest.raises(PhotosMissing):
        run(index, photos)
    assert content(index) == before
    if emptied:
        shutil.rmtree(photos)
    photos.with_name("unmounted").rename(photos)
    assert counts(run(index, photos, embedder=NEVER)) == {"unchanged": 7, "rejected": 1}


def test_an_empty_inner_root_stops_the_outer_one(index: Path, photos: Path) -> None:
    (photos / "usb").mkdir()
    (photos / "usb" / "u.png").write_bytes(encoded(picture(40), "PNG"))
    run(index, photos / "usb")
    (photos / "usb" / "u.png").unlink()
    with pytest.raises(PhotosMissing, match="usb shows no image"):
        run(index, photos)


def test_a_folder_above_a_known_root_takes_it_in(index: Path, photos: Path) -> None:
    assert counts(run(index, photos / "sub")) == {"added": 1}
    assert counts(run(index, photos)) == {
        "added": 5, "duplicates": 1, "unchanged": 1, "rejected": 1,
    }  # fmt: skip
    with IndexReader(index) as opened:
        assert opened.roots() == [os.fsencode(photos)]
    assert counts(run(index, photos / "sub", embedder=NEVER)) == {"unchanged": 1}
    assert len(content(index)) == 7


def test_only_what_was_looked_at_can_be_gone(index: Path, photos: Path) -> None:
    run(index, photos)
    (photos / "5.png").unlink()
    (photos / "sub" / "copy of 0.png").unlink()
    (photos / "sub" / "x.png").write_bytes(encoded(picture(50), "PNG"))
    assert counts(run(index, photos / "sub")) == {"added": 1, "removed": 1}
    assert counts(run(index, photos / "4.png")) == {"unchanged": 1}
    assert str(photos / "5.png") in content(index)


def test_two_roots_and_a_move_between_them(index: Path, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "o.png").write_bytes(encoded(picture(60), "PNG"))
    run(index, photos, other)
    (photos / "1.png").rename(other / "1.png")
    assert counts(run(index, photos, other)) == {"renamed": 1, "unchanged": 7, "rejected": 1}


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


def test_ctrl_c_keeps_what_was_done(index: Path, photos: Path) -> None:
    def interrupt(done: int, total: int, rejected: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with Writer(index) as target, pytest.raises(KeyboardInterrupt):
        sync(target, [photos], MeanColourEmbedder, progress=interrupt)
    assert len(content(index)) == 4
    report = run(index, photos)
    assert (report.added, report.unchanged) == (2, 4)


def test_progress_tells_every_file_and_the_rejects(index: Path, photos: Path) -> None:
    told: list[tuple[int, int, int]] = []
    with Writer(index) as target:
        sync(target, [photos], MeanColourEmbedder, progress=lambda *at: told.append(at))
    assert [done for done, _, _ in told] == list(range(1, 9))
    assert told[-1] == (8, 8, 1)


def test_a_folder_of_the_users_is_never_swept(tmp_path: Path) -> None:
    mine = tmp_path / "art" / "vectors" / "drawing.svg"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(NotAnIndex, match="--index"):
        make_index(tmp_path / "art")
    assert mine.read_text() == "mine"
    make_index(tmp_path / "index")
    (tmp_path / "index" / "vectors" / "notes.txt").write_text("also mine")
    Writer(tmp_path / "index").close()
    assert (tmp_path / "index" / "vectors" / "notes.txt").read_text() == "also mine"


def test_an_embedder_of_another_fingerprint_gets_nothing_in(index: Path, photos: Path) -> None:
    class Other(MeanColourEmbedder):
        fingerprint = "another"

    with pytest.raises(ModelMismatch, match="another"):
        run(index, photos, embedder=Other)
    assert content(index) == {}


def test_links_to_a_disk_that_is_not_mounted_keep_their_vectors(
    index: Path, photos: Path, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    (album / "empty mount").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (album / name).symlink_to(photos / name)
    (album / "folder").symlink_to(photos / "sub")
    (album / "empty mount" / "3.png").write_bytes((photos / "3.png").read_bytes())
    run(index, album)
    before = content(index)
    assert len(before) == 4
    photos.rename(tmp_path / "elsewhere")
    (album / "empty mount" / "3.png").unlink()
    report = run(index, album)
    assert (report.unchanged, report.removed, report.rejected) == (2, 0, 0)
    assert len(report.notes) == 3
    assert content(index) == before
    (tmp_path / "elsewhere").rename(photos)
    assert content(index) == before


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
    assert counts(run(index, photos, embedder=NEVER)) == {"unchanged": 7, "rejected": 1}


def test_vectors_that_nobody_holds_do_not_outlive_the_next_run(index: Path, photos: Path) -> None:
    run(index, photos)
    for number in range(3):
        (photos / f"{number}.png").write_bytes(encoded(picture(70 + number), "PNG"))
    with Writer(index) as target, pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "drop", lambda *rest: None)  # killed before the last step
        sync(target, [photos], MeanColourEmbedder)
        assert target.counts()["vectors"] == 9
    run(index, photos, embedder=NEVER)
    with IndexReader(index) as opened:
        assert opened.counts()["vectors"] == 7  # 6 of its own, and the copy of 0 as it was


def test_a_sibling_with_a_longer_name_is_another_folder(index: Path, tmp_path: Path) -> None:
    for name in ("2024", "2024 trip"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encoded(picture(len(name)), "PNG"))
    run(index, tmp_path / "2024 trip")
    assert counts(run(index, tmp_path / "2024")) == {"added": 1}


def test_a_folder_that_was_renamed_is_followed(index: Path, photos: Path, tmp_path: Path) -> None:
    run(index, photos)
    before = content(index)
    photos.rename(tmp_path / "renamed")
    assert counts(run(index, tmp_path / "renamed")) == {"renamed": 7, "rejected": 1}
    assert {Path(p).name: v for p, v in content(index).items()} == {
        Path(p).name: v for p, v in before.items()
    }
    assert all(str(tmp_path / "renamed") in path for path in content(index))


def test_a_link_to_itself_is_no_reason_to_stop(index: Path, photos: Path) -> None:
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / "loop").symlink_to(photos / "loop")
    assert counts(run(index, photos)) == {"added": 6, "duplicates": 1, "rejected": 2}
