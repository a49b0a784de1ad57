"""The report of a fine-tuning run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedtool.core.types import Reject
from embedtool.finetune.checkpoint import Epoch
from embedtool.finetune.evaluation import TestResult
from embedtool.finetune.settings import FinetuneSettings

FILE_KEYS = {"selected_on_test": "chosen_by_judged"}  # in report.json, where they differ


@dataclass(frozen=True)
class FinetuneReport:
    """What a run made, and how good it is: on the test photos, else on those held out to validate
    on, and without either there is no test result."""

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
    temperature: float  # that the logits were divided by; 1: as trained
    selected_on_test: tuple[str, ...]  # by the photos tested on: "temperature", "epoch"; or nothing
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As JSON has it: the evaluation's own record, and beside it how it came about."""
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
        """As report.json in the model folder has it, some of whose keys are others."""
        record = {**self.record(), "settings": self.settings.file_record()}
        return {FILE_KEYS.get(key, key): value for key, value in record.items()}
