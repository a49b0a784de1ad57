"""What an export says of itself, and how a path is written so that it comes back.

Every export of ours carries a card: the model, the recipe and the golden vectors of its index. An
import of one can therefore be searched with new photos, and refuses other models. In a folder the
card is `embedtool.json`, in a Parquet file the metadata entry `embedtool` of its schema, in an
HDF5 file the attribute `embedtool`.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from embedtool.core.types import Recipe, Vectors
from embedtool.errors import EmbedtoolError

CARD_FORMAT = 1
CARD = "embedtool"  # the metadata entry or attribute that holds the card
CARD_FILE = "embedtool.json"


@dataclass(frozen=True)
class Card:
    """Where vectors come from. golden: (3, d), as `embedtool doctor` compares them."""

    format: str
    model: str
    recipe: Recipe
    dim: int
    golden: Vectors
    files: tuple[str, ...] = ()  # of a folder: all that we wrote, the card aside

    def text(self) -> str:
        return json.dumps(
            {
                "embedtool export": CARD_FORMAT,
                "format": self.format,
                "dim": self.dim,
                "model": self.model,
                "fingerprint": self.recipe.fingerprint,
                "recipe": asdict(self.recipe),
                "golden": base64.b64encode(self.golden.astype("<f4").tobytes()).decode(),
                "files": list(self.files),
            },
            indent=1,
        )


def read_card(text: str | bytes, where: object) -> Card:
    """Raises EmbedtoolError where the text is no card, contradicts itself, or is of a later
    version."""
    try:
        said = json.loads(text)
        if int(said["embedtool export"]) > CARD_FORMAT:
            raise EmbedtoolError(
                f"{where} was exported by a later embedtool. Upgrade: pip install -U embedtool"
            )
        recipe, dim = Recipe(**said["recipe"]), int(said["dim"])
        golden = np.frombuffer(base64.b64decode(said["golden"], validate=True), "<f4")
        card = Card(
            format=str(said["format"]),
            model=str(said["model"]),
            recipe=recipe,
            dim=dim,
            golden=golden.reshape(-1, dim).astype(np.float32),
            files=tuple(map(str, said["files"])),
        )
        whole = said["fingerprint"] == recipe.fingerprint and dim > 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as e:
        raise EmbedtoolError(f"{where}: what it says of its model is broken ({e!r})") from e
    if not whole:
        raise EmbedtoolError(f"{where}: its recipe and its fingerprint differ")
    return card


def legible(name: bytes) -> str:
    """A file name as text; what is not UTF-8 in it becomes U+FFFD, and `exact` keeps it."""
    return name.decode("utf-8", "replace")


def exact(names: Sequence[bytes]) -> list[bytes | None]:
    """The bytes of each name that `legible` does not give back, None for the others."""
    return [None if legible(name).encode() == name else name for name in names]
