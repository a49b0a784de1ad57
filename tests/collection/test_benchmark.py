"""bench measures what it says; how fast is not for a test to judge."""

import json
import shutil
from pathlib import Path

import pytest
from support.command import embedtool_here as embedtool

from embedtool.images.drawn import draw_photos

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "photos"
    assert draw_photos(folder, per_kind=1, jpeg_only=True) == 12
    return folder


def test_the_figures_hang_together(whole: Path) -> None:
    done = embedtool("bench", whole, "--model", "builtin:float32", "--model", "builtin",
                     "--rounds", 1, "--json")  # fmt: skip
    report = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert (report["images"], report["rounds"]) == (12, 1)
    assert report["keras_model"] == "builtin float32" and report["keras_images_per_second"] > 0
    assert [row["precision"] for row in report["rows"]] == ["float32", "int8"]
    for row in report["rows"]:
        decode, inference, bound, end_to_end = (
            row[f"{stage}_images_per_second"]
            for stage in ("decode", "inference", "bound", "end_to_end")
        )
        assert bound == pytest.approx(1 / (1 / decode + 1 / inference))
        assert row["share_of_bound"] == pytest.approx(end_to_end / bound)
        assert row["speedup_over_keras"] == pytest.approx(
            end_to_end / report["keras_images_per_second"]
        )


def test_a_broken_file_is_named(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(whole, folder)
    (folder / "fish" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    done = embedtool("bench", folder, "--model", "builtin")
    assert done.code == 2 and "bad.jpg" in done.err and "Traceback" not in done.err
    done = embedtool("bench", folder / "fish" / "bad.jpg")
    assert done.code == 2 and "expected an existing folder" in done.err
