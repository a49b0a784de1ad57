"""An image that a classifier gave another class than its own."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """An image that was given another class than its own, and how sure of that the network was."""

    path: Path
    truth: str
    predicted: str
    probability: float
