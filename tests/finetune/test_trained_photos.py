"""A fine-tuned model records its photos, and no score on an index made with it uses them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.finetuning import KINDS, QUICK, dataset_of

import embedtool
from embedtool.errors import ModelUnavailable, UsageError
from embedtool.finetune.dataset import read_dataset
from embedtool.finetune.report import FinetuneReport
from embedtool.images.drawn import draw_photos
from embedtool.models import load_backbone
from embedtool.models.model_folder import read_folder
from embedtool.models.training_images import FILE
from embedtool.store.reader import IndexReader

pytestmark = pytest.mark.slow


def old_model(report: FinetuneReport, folder: Path) -> Path:
    """The model as version 0.1 wrote it, without its photos."""
    shutil.copytree(report.model, folder)
    (folder / FILE).unlink()
    card = json.loads((folder / "model.json").read_text())
    del card["training_images"]
    (folder / "model.json").write_text(json.dumps({**card, "format": 1}))
    return folder


@pytest.fixture(scope="module")
def index(report: FinetuneReport, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training photos and 13 other pictures of each kind, with the fine-tuned model."""
    folder = tmp_path_factory.mktemp("tuned")
    draw_photos(folder / "drawn", per_kind=19, jpeg_only=True)
    for kind in KINDS:
        for number in range(7, 20):
            [file] = (folder / "drawn" / kind).glob(f"{kind}-{number:02}.*")
            (folder / "new" / kind).mkdir(parents=True, exist_ok=True)
            file.rename(folder / "new" / kind / file.name)
    made = embedtool.index_photos(
        [photos, folder / "new"], index=folder / "index", model=str(report.model)
    )
    return made.index


def test_the_model_knows_its_training_and_validation_photos(
    report: FinetuneReport, photos: Path, index: Path
) -> None:
    images = read_folder(report.model).read_training_images()
    assert len(images) == report.trained_on + report.validated_on
    with IndexReader(index) as opened:
        rows = list(opened.rows())
        known = images.flags([row.digest for row in rows])
        assert opened.training_images() == images.to_bytes()
    assert {
        bool(flag) for row, flag in zip(rows, known, strict=True) if row.root == bytes(photos)
    } == {True}
    assert not known[[row.root != bytes(photos) for row in rows]].any()


def test_an_index_made_with_it_is_scored_on_the_other_photos(index: Path, tmp_path: Path) -> None:
    with embedtool.open(index) as opened:
        found = opened.probe(out=tmp_path / "probe")
        new = sum("new" in image.path.parts for image in opened.images)
    assert found.evaluation.n <= new < found.labels.labelled
    assert found.training_images >= found.labels.labelled - new
    assert any("trained this network" in note for note in found.notes)


def test_an_index_of_its_photos_alone_has_no_score(
    report: FinetuneReport, photos: Path, tmp_path: Path
) -> None:
    index = embedtool.index_photos(photos, index=tmp_path / "i", model=str(report.model)).index
    with pytest.raises(UsageError, match=r"embedtool index OTHER_PHOTOS --model .*/model\."):
        embedtool.train_probe(index, tmp_path / "probe")
    with pytest.raises(UsageError, match="neither the probe nor its network was trained on"):
        embedtool.evaluate_probe(index, report.model)


def test_copies_imports_and_exports_keep_the_record(
    report: FinetuneReport, index: Path, tmp_path: Path
) -> None:
    expected = read_folder(report.model).read_training_images().to_bytes()
    shutil.copytree(report.model, tmp_path / "copy")
    assert read_folder(tmp_path / "copy").read_training_images().to_bytes() == expected
    imported = embedtool.import_model(report.model, f"tuned-{tmp_path.name}")
    assert imported.folder.read_training_images().to_bytes() == expected
    for name in ("parquet", "npy"):
        with embedtool.open(index) as opened:
            opened.export(tmp_path / name, format=name)
        back = embedtool.import_vectors(tmp_path / name, index=tmp_path / f"from {name}").index
        with IndexReader(back) as again:
            assert again.training_images() == expected


def test_a_model_without_the_record_says_so(
    report: FinetuneReport, photos: Path, tmp_path: Path
) -> None:
    old = old_model(report, tmp_path / "old")
    assert not read_folder(old).read_training_images().complete
    index = embedtool.index_photos(photos, index=tmp_path / "i", model=str(old)).index
    with embedtool.open(index) as opened:
        assert any("does not record which images" in note for note in opened.probe().notes)
    dataset = read_dataset(
        photos, backbone=load_backbone(str(old)), labels=None, validation=None, test=None,
        share=0.2, seed=0,
    )  # fmt: skip
    assert any("does not record which images" in note for note in dataset.notes)


@pytest.mark.parametrize("damage", ["flip", "lost"])
def test_a_damaged_record_is_named(report: FinetuneReport, tmp_path: Path, damage: str) -> None:
    shutil.copytree(report.model, tmp_path / "model")
    file = tmp_path / "model" / FILE
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    if damage == "flip":
        file.write_bytes(content)
    with pytest.raises(
        ModelUnavailable, match=rf"cannot read .*{FILE}: .*\. Copy the model folder again"
    ):
        read_folder(tmp_path / "model").read_training_images()


def test_a_second_training_holds_out_only_photos_that_the_first_did_not_see(
    report: FinetuneReport, photos: Path, tmp_path: Path
) -> None:
    """What the first learned may be trained on again. Its photos are recorded in the second too."""
    more = shutil.copytree(photos, tmp_path / "more")
    first = read_folder(report.model).read_training_images()
    base = load_backbone(str(report.model))
    draw_photos(tmp_path / "new", per_kind=10, jpeg_only=True)
    for kind_number, kind in enumerate(KINDS):
        for file in sorted((tmp_path / "new" / kind).iterdir())[6:]:
            shutil.copy(file, more / kind / f"new-{kind_number}-{file.name}")
    dataset = read_dataset(
        more, backbone=base, labels=None, validation=None, test=None, share=0.3, seed=0
    )
    held_out = first.flags([photo.digest for photo in dataset.validation.photos])
    assert len(held_out) and not held_out.any()
    assert first.flags([photo.digest for photo in dataset.training.photos]).sum() == len(first)
    named = read_dataset(
        more, backbone=base, labels=None, validation=photos, test=photos, share=0.0, seed=0
    )
    assert not named.validation.photos and not named.test.photos
    assert any("trained the starting network" in note for note in named.notes)
    second = embedtool.finetune_model(
        more, out=tmp_path / "second", model=str(report.model), settings=QUICK
    )
    images = read_folder(second.model).read_training_images()
    assert len(images.parts) == 2 and len(images) > len(first)
    assert np.all(images.flags([photo.digest for photo in dataset_of(photos).training.photos]))
