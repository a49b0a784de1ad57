"""Indexes, small and large, and a folder of photos."""

from support.indexes import index as index
from support.pictures import photos as photos
from support.vectors import built as built
from support.vectors import large as large
