"""Indexes, small and large."""

from support.indexes import index as index
from support.vectors import built as built
from support.vectors import large as large
