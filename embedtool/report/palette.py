"""Colours that the colour-blind tell apart, and which group of images has which."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito, Color Universal Design, 2008, less black, which a dark page would swallow. After
# these seven come the same darker, then the same lighter; after 21 they begin again, and the
# legend alone tells groups apart.
HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
NOISE = "#9a9a9a"
DARKER, LIGHTER = 0.6, 0.5  # of each channel kept; of the way to white


def blend(colour: str, share: float, other: int) -> str:
    """A colour with this share of each channel kept, the rest of it `other`."""
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(c * share + other * (1 - share)):02x}" for c in channels)


PALETTE = (
    *HUES,
    *(blend(colour, DARKER, 0) for colour in HUES),
    *(blend(colour, LIGHTER, 255) for colour in HUES),
)


@dataclass(frozen=True)
class Groups:
    """Which group each image is in. members: (n,) places in names; names, counts and colours: in
    the order of the legend."""

    members: list[int]
    names: list[str]
    counts: list[int]
    colours: list[str]


def group_equal(
    values: Sequence[str], *, noise: str | None = None, by_name: bool = False
) -> Groups:
    """Groups of equal values, largest first, or by name; the one named noise last and grey."""
    counts = Counter(values)
    names = sorted(counts, key=lambda v: (v == noise, v if by_name else -counts[v], v))
    place = {name: at for at, name in enumerate(names)}
    colours = [
        NOISE if name == noise else PALETTE[at % len(PALETTE)] for at, name in enumerate(names)
    ]
    return Groups([place[v] for v in values], names, [counts[n] for n in names], colours)
