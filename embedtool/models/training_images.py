"""Salted digests of the images that a network learned from, which no score may use.

A digest is the first 16 bytes of HMAC-SHA256(salt, SHA-256 of the file). The salt is of the model,
so that the digests of two models cannot be compared, nor looked up in a list of known photos.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

FILE = "training-images.safetensors"
COMPLETE = "complete"  # beside the digests, each named by its number and its salt
DIGEST_BYTES = 16
Digests = npt.NDArray[np.uint8]  # (n, DIGEST_BYTES), sorted


@dataclass(frozen=True)
class TrainingImages:
    """The images of each training of a network, by salt. A network that was fine-tuned from a
    fine-tuned one has the images of both."""

    parts: tuple[tuple[bytes, Digests], ...] = ()
    complete: bool = True  # False if it was fine-tuned on others too, which are not recorded

    @classmethod
    def of(cls, digests: Iterable[bytes], salt: bytes) -> "TrainingImages":
        """Return those of one training. digests: the SHA-256 of each file."""
        salted = sorted({_salted(salt, digest) for digest in digests})
        rows = np.frombuffer(b"".join(salted), np.uint8).reshape(-1, DIGEST_BYTES)
        return cls(((salt, rows),))

    def __or__(self, other: "TrainingImages") -> "TrainingImages":
        return TrainingImages(self.parts + other.parts, self.complete and other.complete)

    def __len__(self) -> int:
        return sum(len(digests) for _, digests in self.parts)

    def flags(self, digests: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Return whether each file (n,) is one of the images. digests: the SHA-256 of each."""
        known = {(salt, row.tobytes()) for salt, own in self.parts for row in own}
        salts = [salt for salt, _ in self.parts]
        return np.array(
            [any((salt, _salted(salt, digest)) in known for salt in salts) for digest in digests],
            np.bool_,
        )

    def to_bytes(self) -> bytes:
        names = (f"{number} {salt.hex()}" for number, (salt, _) in enumerate(self.parts))
        tensors = dict(zip(names, (digests for _, digests in self.parts), strict=True))
        content: bytes = save({**tensors, COMPLETE: np.array([self.complete], np.uint8)})
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> "TrainingImages":
        """Read what `to_bytes` returned. Raises ValueError if it is anything else."""
        try:
            tensors = load(content)
            complete = bool(tensors.pop(COMPLETE)[0])
            names = sorted((name.split() for name in tensors), key=lambda name: int(name[0]))
            parts = [(bytes.fromhex(salt), tensors[f"{n} {salt}"]) for n, salt in names]
        except (SafetensorError, KeyError, IndexError) as error:
            raise ValueError(f"not a list of training images: {error!r}") from error
        for _, digests in parts:
            if digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST_BYTES,):
                raise ValueError(
                    f"expected digests as uint8 (n, {DIGEST_BYTES}), received {digests.dtype} "
                    f"{digests.shape}"
                )
        return cls(tuple(parts), complete)


def _salted(salt: bytes, digest: bytes) -> bytes:
    return hmac.digest(salt, digest, "sha256")[:DIGEST_BYTES]
