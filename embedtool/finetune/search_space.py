"""The settings that a search varies, and their ranges."""

from typing import TYPE_CHECKING, Any

from embedtool.finetune.settings import CHOICES, FinetuneSettings
from embedtool.images.augmentation import LIMITS, Augmentation

if TYPE_CHECKING:
    from optuna import Trial
UNFREEZE = ("block_10", "block_13", "block_15", "Conv_1")
# Few values, since each needs its own cached rows, which its trials share.
AUGMENTATION_STRENGTHS = (0.0, 0.5, 1.0, 1.5)
BATCH_SIZES = (16, 32, 64)
HEAD_WIDTHS = (0, 128, 512)
SGD_RATE_FACTOR = 5.0  # AdamW's steps are larger; at 50 the default rate diverges
OPTIMISERS, ACTIVATIONS = CHOICES["optimiser"], CHOICES["head_activation"]


def starting_point(base: FinetuneSettings) -> dict[str, Any]:
    """Return the parameters of the first trial, which has the settings of `base`, by their names in
    the study."""
    return {
        "rate": base.learning_rate / (SGD_RATE_FACTOR if base.optimiser == "sgd" else 1),
        "unfreeze": base.unfreeze,
        "dropout": base.dropout,
        "head_width": base.head_width,
        "weight_decay": base.weight_decay,
        "label_smoothing": base.label_smoothing,
        "optimiser": base.optimiser,
        "batch_size": base.batch_size,
        "head_activation": base.head_activation,
        "augmentation": 1.0,
    }


def suggest_changes(trial: "Trial", base: FinetuneSettings) -> dict[str, Any]:
    """Return a trial's changes to the base settings, in the form of `finetune --config`."""
    start = starting_point(base)

    def number(name: str, low: float, high: float, *, log: bool = False) -> float:
        low, high = min(low, start[name]), max(high, start[name])
        return trial.suggest_float(name, low, high, log=log)

    def choice(name: str, choices: tuple[Any, ...]) -> Any:
        return trial.suggest_categorical(name, tuple(dict.fromkeys((start[name], *choices))))

    changes: dict[str, Any] = {
        "learning_rate": number("rate", 2e-5, 1e-3, log=True),
        "unfreeze": choice("unfreeze", UNFREEZE),
        "dropout": number("dropout", 0.0, 0.6),
        "head_width": choice("head_width", HEAD_WIDTHS),
        "weight_decay": number("weight_decay", 1e-5, 1e-1, log=True),
        "label_smoothing": number("label_smoothing", 0.0, 0.2),
        "optimiser": choice("optimiser", OPTIMISERS),
        "batch_size": choice("batch_size", BATCH_SIZES),
    }
    if changes["optimiser"] == "sgd":
        changes["learning_rate"] *= SGD_RATE_FACTOR
    if changes["head_width"]:
        changes["head_activation"] = choice("head_activation", ACTIVATIONS)
        changes["head_epochs"] = max(1, base.head_epochs)  # it starts random, not as a probe
    return changes | _scaled_augmentation(
        base.augmentation, choice("augmentation", AUGMENTATION_STRENGTHS)
    )


def _scaled_augmentation(by: Augmentation, strength: float) -> dict[str, Any]:
    """Return every range times strength, up to its limit. At 0 there is no augmentation."""
    ranges = {name: min(most, getattr(by, name) * strength) for name, most in LIMITS.items()}
    return ranges | {"flip": by.flip and strength > 0}
