"""Collections of many copies of one picture, or of many blank pages."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from support.duplicates import File, index_of
from support.pictures import encoded, scene

from embedtool import find_duplicates
from embedtool.duplicates import linked_pairs, picture_pairs
from embedtool.images import decode


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often the pixels of each file are decoded."""
    monkeypatch.setattr(linked_pairs, "LARGE", 10)
    counts: Counter[bytes] = Counter()

    def counted(real: Callable[..., Any], data: bytes, *sides: int, **named: int) -> Any:
        counts[data] += 1
        return real(data, *sides, **named)

    for name in ("decode_whole", "decode_square_and_whole", "decode_image"):
        monkeypatch.setattr(picture_pairs, name, partial(counted, getattr(decode, name)))
    return counts


def test_copies_of_one_picture_are_one_group_and_hardly_decoded_twice(
    decoded: Counter[bytes], tmp_path: Path
) -> None:
    qualities = range(60, 96)
    files = [
        File(f"{q}.jpg", 0.01 * q, encoded(scene(1), quality=q, comment=b"%d" % q))
        for q in qualities
    ]
    darker = ImageEnhance.Brightness(scene(1)).enhance(0.9)
    files += [File("darker.jpg", 0.5, encoded(darker, quality=60)), File("z.jpg", 90, b"broken")]
    found = find_duplicates(index_of(tmp_path, *files))
    assert [group.kind for group in found.groups] == ["near-identical", "edited"]
    near, edited = ([path.name for path in group.paths] for group in found.groups)
    assert near[0] == "95.jpg" and sorted(near) == [f"{q}.jpg" for q in qualities]
    assert edited == ["95.jpg", "darker.jpg"]
    assert all(group.verified for group in found.groups)
    # The kept one and the edit are decoded more often; so are a few that the quick test refuses.
    assert set(decoded) == {file.data for file in files[:-1]}
    assert sum(decoded.values()) <= 1.5 * len(files)


def test_a_blank_page_is_decoded_once(decoded: Counter[bytes], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pages = [
        Image.fromarray(255 - random.integers(0, 12, (877, 620), dtype=np.uint8)) for _ in range(30)
    ]
    files = [File(f"{n}.jpg", 0.01 * n, encoded(page)) for n, page in enumerate(pages)]
    assert find_duplicates(index_of(tmp_path, *files)).groups == ()
    assert set(decoded.values()) <= {1, 2} and sorted(decoded.values())[-2] == 1
