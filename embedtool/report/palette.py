"""Colours that colour-blind readers can distinguish, and the colour of each group of images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito, Color Universal Design, 2008, without black, which is invisible on a dark page.
# After these seven come darker and then lighter versions. After 21 the colours repeat, and only the
# legend distinguishes groups.
HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
NOISE = "#9a9a9a"
DARKER, LIGHTER = 0.6, 0.5  # share of each channel in a mix with black, with white


def blend(colour: str, share: float, other: int) -> str:
    """Return the colour mixed with a grey: share times each channel plus (1 - share) `other`."""
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(c * share + other * (1 - share)):02x}" for c in channels)


PALETTE = (
    *HUES,
    *(blend(colour, DARKER, 0) for colour in HUES),
    *(blend(colour, LIGHTER, 255) for colour in HUES),
)


@dataclass(frozen=True)
class Groups:
    """The group of each image. members: (n,) positions in names; names, counts and colours: in the
    order of the legend."""

    members: list[int]
    names: list[str]
    counts: list[int]
    colours: list[str]


def group_equal(
    values: Sequence[str], *, noise: str | None = None, by_name: bool = False
) -> Groups:
    """Group equal values, ordered by size or by name. The group named `noise` is last and grey."""
    counts = Counter(values)
    names = sorted(counts, key=lambda v: (v == noise, v if by_name else -counts[v], v))
    place = {name: at for at, name in enumerate(names)}
    colours = [
        NOISE if name == noise else PALETTE[at % len(PALETTE)] for at, name in enumerate(names)
    ]
    return Groups([place[v] for v in values], names, [counts[n] for n in names], colours)
