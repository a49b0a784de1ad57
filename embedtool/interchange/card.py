"""The card that describes an export, and paths as text that can be read back exactly.

Every export of embedtool has a card: the model, the recipe and the golden vectors of its index
(those of the reference images of `embedtool.models.golden`). An imported export can therefore be
searched with new photos, and vectors of other models are rejected. In a folder the card is
`embedtool.json`, in a Parquet file the metadata entry `embedtool` of its schema, in an HDF5 file
the attribute `embedtool`.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from embedtool.core.foreign_files import parse_json
from embedtool.core.types import Recipe, Vectors, recipe_of
from embedtool.errors import EmbedtoolError

CARD_FORMAT = 1
CARD = "embedtool"  # the metadata entry or attribute that holds the card
CARD_FILE = "embedtool.json"


@dataclass(frozen=True)
class Card:
    """The origin of exported vectors. golden: (3, d), as `embedtool doctor` compares them."""

    format: str
    model: str
    recipe: Recipe
    dim: int
    golden: Vectors
    training_images: bytes | None = None  # of the network, as `embedtool.store.writer.create` takes
    files: tuple[str, ...] = ()  # in a folder: all that embedtool wrote, except the card

    def text(self) -> str:
        images = self.training_images
        return json.dumps(
            {
                "embedtool export": CARD_FORMAT,
                "format": self.format,
                "dim": self.dim,
                "model": self.model,
                "fingerprint": self.recipe.fingerprint,
                "recipe": asdict(self.recipe),
                "golden": base64.b64encode(self.golden.astype("<f4").tobytes()).decode(),
                "training_images": images and base64.b64encode(images).decode(),
                "files": list(self.files),
            },
            indent=1,
        )


def read_card(text: str | bytes, file: object) -> Card:
    """Return the card in a text. Raises EmbedtoolError if it is not a card, contradicts itself, or
    is of a newer version. file: its name, for the message."""
    try:
        record = parse_json(text)
        if int(record["embedtool export"]) > CARD_FORMAT:
            raise EmbedtoolError(
                f"{file} was exported by a newer embedtool. Install a newer embedtool"
            )
        recipe, dim = recipe_of(record["recipe"]), int(record["dim"])
        golden = np.frombuffer(base64.b64decode(record["golden"], validate=True), "<f4")
        images = record.get("training_images")  # earlier versions did not write them
        card = Card(
            format=str(record["format"]),
            model=str(record["model"]),
            recipe=recipe,
            dim=dim,
            golden=golden.reshape(-1, dim).astype(np.float32),
            training_images=images and base64.b64decode(images, validate=True),
            files=tuple(map(str, record["files"])),
        )
        consistent = record["fingerprint"] == recipe.fingerprint and dim > 0
    except (
        *(ValueError, TypeError, KeyError, AttributeError),
        *(OverflowError, binascii.Error),
    ) as e:
        raise EmbedtoolError(
            f"the description of the model in {file} is damaged ({e!r}). Export the index again"
        ) from e
    if not consistent:
        raise EmbedtoolError(
            f"the recipe and the fingerprint of the model in {file} do not match. Export the index "
            "again"
        )
    return card


def lossy_text(name: bytes) -> str:
    """Return a file name as text, with U+FFFD for bytes that are not UTF-8."""
    return name.decode("utf-8", "replace")


def bytes_where_lossy(names: Sequence[bytes]) -> list[bytes | None]:
    """Return the bytes of each name that `lossy_text` cannot represent, None for the others."""
    return [None if lossy_text(name).encode() == name else name for name in names]
