"""Update the approximate index of a large collection, before a writer ends."""

from embedtool.core.types import Progress
from embedtool.errors import DerivedDamaged
from embedtool.search.recall_certificate import MIN_RECALL, Certificate
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.merge_segments import merge_segments
from embedtool.store.writer import Writer

REBUILD_SHARE = 20  # rebuild if more than one vector in this many was added or removed


def refresh_search_index(index: Writer, *, progress: Progress | None = None) -> None:
    """Build the approximate index of a large collection if it is missing, damaged or out of date.

    The new index must meet the requirements of the last one."""
    count = index.counts()["vectors"]
    if count <= EXACT_ROWS:
        return
    min_recall, max_memory = MIN_RECALL, None
    try:
        opened = open_derived(index.path, SEARCH, index.fingerprint)
    except DerivedDamaged:
        opened = None
    if opened:
        old = Certificate(**opened[0])
        remaining = index.count_until(old.last_id)
        if (old.vectors - remaining) + (count - remaining) <= old.vectors // REBUILD_SHARE:
            return
        min_recall, max_memory = old.min_recall, old.max_memory
    from embedtool.search.build_approximate import build_search_index

    merge_segments(index)  # a search in hundreds of files takes five times as long
    build_search_index(index, min_recall=min_recall, max_memory=max_memory, progress=progress)
