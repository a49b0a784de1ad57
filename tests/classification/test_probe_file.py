"""A probe on disk: whole or refused, and in the place of no other folder."""

from pathlib import Path

import pytest
from support.labelled import labelled_index

import embedtool as package
from embedtool.classification.probe import read_probe
from embedtool.errors import EmbedtoolError


@pytest.mark.parametrize("name", ["probe.json", "probe.safetensors"])
@pytest.mark.parametrize("damage", ["half", "flip", "gone"])
def test_half_a_probe_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    index = labelled_index(tmp_path / "made", 30)
    package.train_probe(index, tmp_path / "probe")
    file = tmp_path / "probe" / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content[: len(content) // 2] if damage == "half" else content)
    with pytest.raises(EmbedtoolError) as caught:
        package.predict_images(index, tmp_path / "probe")
    assert "embedtool probe train" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_probe_is_not_replaced(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made", 30)
    (tmp_path / "photos").mkdir()
    with pytest.raises(EmbedtoolError, match="is not a probe"):
        package.train_probe(index, tmp_path / "photos")
    package.train_probe(index, tmp_path / "probe")
    package.train_probe(index, tmp_path / "probe", seed=1)
    assert read_probe(tmp_path / "probe").seed == 1


def test_a_probe_is_read_from_the_fine_tuned_model_that_holds_it(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made", 30)
    package.train_probe(index, tmp_path / "model" / "probe", seed=1)
    assert read_probe(tmp_path / "model").seed == 1
    with pytest.raises(EmbedtoolError, match=rf"of a fine-tuned model.* in {tmp_path}\."):
        read_probe(tmp_path)


def test_a_folder_with_other_files_is_no_probe_to_replace(tmp_path: Path) -> None:
    index = labelled_index(tmp_path / "made", 30)
    package.train_probe(index, tmp_path / "album")
    (tmp_path / "album" / "photo.jpg").write_text("the only copy")
    with pytest.raises(EmbedtoolError, match="already exists and is not a probe"):
        package.train_probe(index, tmp_path / "album")
    assert (tmp_path / "album" / "photo.jpg").read_text() == "the only copy"
