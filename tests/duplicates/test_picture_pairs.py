"""Pairs of files that show one picture: by their pixels, or by their vectors if a file is gone."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import crop, encoded, save, scene
from support.progress import Reports

from embedtool.core.types import Source
from embedtool.duplicates import picture_pairs
from embedtool.duplicates.image_registration import centre_patches, coarse_image, match_patches
from embedtool.duplicates.picture_pairs import SAME_PICTURE_COSINE, Pairs, PicturePairs
from embedtool.errors import ImageRejected
from embedtool.images.read_file import read_source


def no_cosines(pairs: Pairs) -> np.ndarray:
    pytest.fail(f"cosines of {pairs.tolist()}, whose files can be read")


Make = Callable[..., PicturePairs]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def pairs_of(
        *images: Image.Image | None, cosines: picture_pairs.Cosines = no_cosines
    ) -> PicturePairs:
        files: list[Source | None] = []
        for number, image in enumerate(images):
            path = tmp_path / f"{number}.png"
            if image is not None:
                save(path, image)
            files.append(
                None
                if image is None
                else Source(os.fsencode(tmp_path), os.fsencode(path.name), 0, 0)
            )
        return PicturePairs(files, cosines)

    return pairs_of


def same(pictures: PicturePairs, *pairs: tuple[int, int]) -> list[bool]:
    return pictures.same(np.array(pairs, np.int64)).tolist()  # type: ignore[no-any-return]


def test_a_crop_and_its_original_are_one_picture_in_either_order(make: Make) -> None:
    """The centre of the crop is found in the original, but not the centre of the original in it."""
    whole, cut = scene(1, (320, 240)), crop(scene(1, (320, 240)), 0.09)
    pictures = make(whole, cut, whole.rotate(180), cut)
    assert same(pictures, (0, 1), (1, 0), (2, 3), (1, 2), (3, 1)) == [
        True,
        True,
        False,
        False,
        True,
    ]
    pictures = make(cut, whole)
    assert same(pictures, (0, 1)) == [True]
    sizes = [(found.width, found.height) for found in pictures.metadata if found]
    assert sizes == [(262, 196), (320, 240)]


def test_the_better_of_two_matches_starts_the_registration(make: Make) -> None:
    images = [scene(1), crop(scene(1), 0.09), scene(1).resize((90, 70)), crop(scene(2), 0.05)]
    pictures = make(*images)
    pictures.read_files(np.arange(4), None)
    pairs = np.array([(one, other) for one in range(4) for other in range(4)])
    correlations, transforms = pictures._register(pairs)
    grey = [coarse_image(found[0]) for item in range(4) if (found := pictures._read(item))]
    for (one, other), correlation, transform in zip(pairs, correlations, transforms, strict=True):
        there, to_first = match_patches(grey[one], centre_patches(grey[other][None]))
        back, to_second = match_patches(grey[other], centre_patches(grey[one][None]))
        expected = to_first[0] if there[0] >= back[0] else np.linalg.inv(to_second[0])
        assert np.isclose(correlation, max(there[0], back[0]), atol=1e-5)
        assert np.allclose(transform, expected, atol=1e-5)


def test_batches_give_the_same_answers_and_count_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [scene(n, (160, 120)) for n in (1, 2, 1, 3, 1, 2)]
    monkeypatch.setattr(picture_pairs, "BATCH", 2)
    monkeypatch.setattr(picture_pairs, "CHUNK", 4)
    pairs = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)])
    progress = Reports()
    pictures = make(*images)
    found = pairs[pictures.same(pairs, progress)]
    assert found.tolist() == [[0, 2], [0, 4], [1, 5], [2, 4]]
    assert progress.calls == [("comparing pictures", n, 15) for n in (4, 8, 12, 15)]
    one_more = Reports()
    assert pictures.same(pairs[::-1], one_more).sum() == 4 and one_more.calls == []


def test_vectors_decide_if_a_file_is_gone_or_broken(make: Make, tmp_path: Path) -> None:
    compared = []

    def cosines(pairs: Pairs) -> np.ndarray:
        compared.extend(pairs.tolist())
        least = SAME_PICTURE_COSINE
        return np.array([{2: least + 0.01, 3: least, 4: least - 0.01}[b] for _, b in pairs])

    image = scene(1, (160, 120))
    pictures = make(image, image, None, None, image, cosines=cosines)
    (tmp_path / "4.png").write_bytes(encoded(image)[:99])
    answers = same(pictures, (4, 0), (0, 1), (2, 0), (0, 3), (1, 2))
    assert answers == [False, True, True, True, True]
    assert compared == [[0, 2], [0, 3], [0, 4], [1, 2]]
    assert [pictures.is_readable(n) for n in range(5)] == [True, True, False, False, False]


def test_each_file_is_read_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def recorded(file: Source) -> tuple[Source, bytes]:
        read.append(file.path)
        return read_source(file)

    monkeypatch.setattr("embedtool.duplicates.picture_pairs.read_source", recorded)
    image = scene(1, (160, 120))
    pictures = make(image, image, None, image, cosines=lambda pairs: np.zeros(len(pairs)))
    assert same(pictures, (0, 1), (0, 2)) == [True, False]
    assert same(pictures, (0, 3), (1, 3), (2, 3)) == [True, True, False]
    progress = Reports()
    pictures.read_files(np.arange(4), progress)
    assert sorted(read) == [b"0.png", b"1.png", b"3.png"] and progress.calls == []


def test_a_file_that_changes_between_two_reads_is_named(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_pairs, "CACHED_IMAGES", 1)
    image = scene(1, (160, 120))
    pictures = make(image, image)
    pictures.read_files(np.arange(2), None)
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(b"no picture any more")
    with pytest.raises(
        ImageRejected, match=r"[01]\.png.* changed while it was compared: try again"
    ):
        same(pictures, (0, 1))
