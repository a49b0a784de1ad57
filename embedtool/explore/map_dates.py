"""Find when the photos of a map were taken. The dates are saved with their thumbnails."""

from dataclasses import replace

import numpy as np

from embedtool.core.types import Progress
from embedtool.explore.results import Map
from embedtool.explore.thumbnails import Thumbnails, make_thumbnails, open_thumbnails
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer


def thumbnails_of(found: Map, progress: Progress | None) -> Thumbnails:
    """Return the thumbnails of a map's images, and make those that are missing first."""
    with IndexReader(found.index) as opened:
        thumbnails = open_thumbnails(opened)
    if not np.isin(found.vectors, thumbnails.ids).all():
        with Writer(found.index) as writer:
            thumbnails = make_thumbnails(writer, progress=progress)
    return thumbnails


def dated(found: Map, thumbnails: Thumbnails) -> Map:
    """Return the map with the camera's date for each photo that has one."""
    taken = thumbnails.taken(found.vectors)
    return replace(found, dates=np.where(np.isnat(taken), found.dates, taken))
