"""Where the real photos and weights are, which a machine may lack."""

from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"
