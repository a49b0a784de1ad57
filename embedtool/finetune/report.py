"""The report of a fine-tuning run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedtool.core.types import Reject
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.evaluation import TestResult
from embedtool.finetune.settings import FinetuneSettings

FILE_KEYS = {"selected_on_test": "chosen_by_judged"}  # keys that differ in report.json


@dataclass(frozen=True)
class FinetuneReport:
    """The result of a run. test_result is on the test photos, else on the validation photos; it is
    None if there are neither."""

    model: Path
    fingerprint: str
    base: str
    classes: tuple[str, ...]
    trained_on: int
    copies: int
    validated_on: int
    test_result: TestResult | None
    history: tuple[Epoch, ...]
    settings: FinetuneSettings
    rejects: tuple[Reject, ...]
    seconds: float
    temperature: float  # by which the logits were divided; 1 if not fitted
    selected_on_test: tuple[str, ...]  # chosen on the test photos: "temperature", "epoch" or none
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return a dictionary for JSON: the scores, and the inputs and settings of the run."""
        result = self.test_result.record() if self.test_result else {"classes": list(self.classes)}
        return {
            "model": str(self.model),
            **result,
            "base": self.base,
            "fingerprint": self.fingerprint,
            "trained_on": self.trained_on,
            "copies": self.copies,
            "validated_on": self.validated_on,
            "rejected": len(self.rejects),
            "history": [asdict(epoch) for epoch in self.history],
            "settings": self.settings.record(),
            "seconds": self.seconds,
            "temperature": self.temperature,
            "selected_on_test": list(self.selected_on_test),
        }

    def file_record(self) -> dict[str, Any]:
        """Return the record with the keys of report.json, some of which have other names."""
        record = {**self.record(), "settings": self.settings.file_record()}
        return {FILE_KEYS.get(key, key): value for key, value in record.items()}
