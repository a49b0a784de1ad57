"""A fixed calibration set for int8: drawn pictures with the statistics of photographs.

Dead leaves (Lee, Mumford and Huang, 2001): opaque discs whose radii follow r^-3, each with its own
colour and a 1/f texture, occluding one another. They share the scale invariance, edges and
contrasts of photographs. They contain nobody's photos and are the same on every machine, so a model
that is compiled twice has the same fingerprint.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Pixels

COUNT = 100
LEAVES = 150
VERSION = "leaves-1"  # part of the fingerprint: a different set makes a different model


def pixels(size: int) -> Iterator[Pixels]:
    """Yield COUNT pictures, uint8 (size, size, 3)."""
    random = np.random.RandomState(0)  # its stream is frozen; Generator's may change
    rows, columns = np.mgrid[0:size, 0:size] / size
    for _ in range(COUNT):
        picture = np.empty((size, size, 3))
        picture[:] = random.uniform(0, 1, 3)
        textures = [_texture(random, size) for _ in range(3)]
        for _ in range(LEAVES):
            radius = 0.03 / np.sqrt(random.uniform(0.004, 1))
            y, x = random.uniform(-0.1, 1.1, 2)
            colour = random.uniform(0, 1, 3) ** random.uniform(0.5, 2)
            inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            texture = textures[random.randint(3)][inside] * random.uniform(0, 0.25)
            picture[inside] = colour + texture[:, None]
        contrast, light = random.uniform(0.4, 1.2), random.uniform(0.3, 0.7)
        picture = (picture - 0.5) * contrast + light + 0.15 * _texture(random, size)[..., None]
        yield (picture.clip(0, 1) * 255).round().astype(np.uint8)


def _texture(random: "np.random.RandomState", size: int) -> npt.NDArray[np.float64]:
    """Return 1/f noise (size, size) of unit variance."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    phases = np.exp(2j * np.pi * random.uniform(size=frequency.shape))
    noise = np.fft.irfft2(phases / frequency, s=(size, size))
    return np.asarray(noise / noise.std())
