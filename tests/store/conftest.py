"""An empty index."""

from support.indexes import index as index
