"""An empty index, and a folder of photos for it."""

from support.indexes import index as index
from support.pictures import photos as photos
