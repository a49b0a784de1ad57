"""The settings of a training run, which with the photos and the network determine its result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from embedtool.core.foreign_files import read_json
from embedtool.core.types import PathLike
from embedtool.errors import UsageError
from embedtool.images.augmentation import Augmentation

CHOICES = {
    "optimiser": ("adamw", "sgd", "rmsprop"),
    "schedule": ("cosine", "constant"),
    "class_weights": ("none", "balanced"),
    "head_activation": ("relu", "gelu", "tanh"),
}
RANGES = {  # from, to
    "epochs": (0, 10_000),
    "head_epochs": (0, 10_000),
    "copies": (0, 1_000),
    "batch_size": (1, 10_000),
    "head_width": (0, 100_000),
    "patience": (0, 10_000),
    "learning_rate": (0, 1_000),
    "head_learning_rate": (0, 1_000),
    "weight_decay": (0, 1_000),
    "seed": (0, 2**32 - 1),
}
# Names of settings that differ in the files of a model, a checkpoint and a search.
FILE_KEYS = {"learning_rate": "rate", "head_learning_rate": "head_rate"}
FIELD_OF_KEY = {key: name for name, key in FILE_KEYS.items()}
MAX_VALIDATION_SHARE = 0.5  # more would be validation than training photos
SHARES = ("dropout", "label_smoothing", "averaging", "validation_share")  # from 0 to below 1


@dataclass(frozen=True)
class FinetuneSettings:
    """The settings of fine-tuning. On the clothing photos of docs/measurements.md, the defaults
    reach an accuracy of 0.931, and a linear probe of the frozen network 0.886.

    An epoch is one pass over all training photos and all their augmented copies.
    Raises UsageError if a value is out of range.

    >>> settings = embedtool.FinetuneSettings(epochs=1, copies=0)
    >>> settings.learning_rate, settings.with_changes({"dropout": 0.5}).dropout
    (0.0002, 0.5)
    """

    unfreeze: str = "block_13"  # the lowest trainable block, or "all", or "none": only the head
    epochs: int = 3  # epochs of phase two, which trains the layers above the cut
    head_epochs: int = 0  # epochs of phase one, which trains only the head, from a trained probe
    copies: int = 4  # augmented copies of each photo, besides the photo itself
    batch_size: int = 32
    optimiser: str = "adamw"
    learning_rate: float = 2e-4  # learning rate of phase two
    head_learning_rate: float = 1e-3  # learning rate of phase one
    schedule: str = "constant"  # or "cosine", which falls to zero over each phase
    weight_decay: float = 1e-3  # decoupled, on kernels only
    dropout: float = 0.3  # before the head
    label_smoothing: float = 0.1
    averaging: float = 0.998  # momentum of the weight averaging; 0: the last weights
    interpolation: float = 0.7  # from the initial weights of phase two (0) to the average (1)
    class_weights: str = "none"  # "balanced": all classes have the same weight
    head_width: int = 0  # units of a hidden layer in the head; 0: no hidden layer
    head_activation: str = "relu"  # of that layer
    patience: int = 0  # early stopping: epochs of phase two without a better accuracy; 0: off
    validation_share: float = 0.1  # share of photos to hold out if no validation photos are given
    mixed_precision: bool = False  # float16 on a GPU
    from_scratch: bool = False  # train all layers from random weights, for comparison
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(
                    f"expected {name} to be one of {', '.join(allowed)}, received "
                    f"{getattr(self, name)!r}"
                )
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError(
                    f"expected {name} from {least} to {most}, received {getattr(self, name)}"
                )
        for name in SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"expected {name} from 0 to below 1, received {getattr(self, name)}"
                )
        if not 0 < self.interpolation <= 1:
            raise UsageError(
                f"expected interpolation above 0 and up to 1, received {self.interpolation}"
            )
        if self.validation_share > MAX_VALIDATION_SHARE:
            raise UsageError(
                f"expected validation_share up to {MAX_VALIDATION_SHARE}, received "
                f"{self.validation_share}: to validate on more photos, name them with "
                "--validation"
            )
        if self.from_scratch and self.unfreeze != "all":
            raise UsageError("training from scratch trains all layers: pass --unfreeze all")

    def with_changes(self, changes: Mapping[str, Any]) -> "FinetuneSettings":
        """Return the settings with changes by name. Names of the augmentation are also allowed."""
        inner = {field.name for field in fields(Augmentation)}
        own = {field.name for field in fields(self)} - {"augmentation"}
        if unknown := sorted(changes.keys() - inner - own):
            raise UsageError(
                f"unknown setting {unknown[0]!r}, expected one of {', '.join(sorted(inner | own))}"
            )
        of_augmentation = {name: value for name, value in changes.items() if name in inner}
        others = {name: value for name, value in changes.items() if name in own}
        return replace(self, **others, augmentation=replace(self.augmentation, **of_augmentation))

    def record(self) -> dict[str, Any]:
        """Return every value by name, in the form of `with_changes`."""
        record = asdict(self)
        of_augmentation: dict[str, Any] = record.pop("augmentation")
        return record | of_augmentation

    def file_record(self) -> dict[str, Any]:
        """Return every value by its name in the files of a model, a checkpoint and a search."""
        return {FILE_KEYS.get(name, name): value for name, value in self.record().items()}


def read_settings(path: PathLike) -> dict[str, Any]:
    """Read changes from a JSON file: an object of settings by name. The names `rate` and
    `head_rate` of earlier files are accepted.

    Raises UsageError if it is not JSON, or has an unknown name or an invalid value.
    """
    try:
        changes = read_json(Path(path), follow=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"expected a JSON file of settings at {path}: {error}") from error
    known = FinetuneSettings().record()
    if not isinstance(changes, dict):
        raise UsageError(
            f"expected a JSON object of settings in {path}, received another JSON value"
        )
    if twice := [key for key, name in FIELD_OF_KEY.items() if {key, name} <= changes.keys()]:
        raise UsageError(
            f"{path}: {twice[0]} and {FIELD_OF_KEY[twice[0]]} are the same setting: leave one out"
        )
    changes = {FIELD_OF_KEY.get(name, name): value for name, value in changes.items()}
    for name, value in changes.items():
        wanted = type(known[name]) if name in known else type(value)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise UsageError(
                f"{path}: expected {name} of type {wanted.__name__}, received {value!r}"
            )
    FinetuneSettings().with_changes(changes)
    return changes
