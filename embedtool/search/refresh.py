"""Update the approximate index of a large collection, before a writer ends."""

from collections.abc import Callable

from embedtool.core.types import Progress, Vectors
from embedtool.errors import DerivedDamaged
from embedtool.search.recall_certificate import MIN_RECALL, UNRELATED, Certificate
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.merge_segments import merge_segments
from embedtool.store.writer import Writer

REBUILD_SHARE = 20  # rebuild if more than one vector in this many was added or removed


def refresh_search_index(
    index: Writer,
    *,
    unrelated: Callable[[], Vectors | None] = lambda: None,
    progress: Progress | None = None,
) -> None:
    """Build the approximate index of a large collection if it is missing, damaged or out of date.

    The new index must meet the requirements of the last one. unrelated: returns vectors (m, d) of
    unrelated pictures to measure recall with, if it can; an index that was not measured with such
    vectors is then built again."""
    count = index.counts()["vectors"]
    if count <= EXACT_ROWS:
        return
    queries = unrelated()
    min_recall, max_memory = MIN_RECALL, None
    try:
        opened = open_derived(index.path, SEARCH, index.fingerprint)
    except DerivedDamaged:
        opened = None
    if opened:
        old = Certificate(**opened[0])
        remaining = index.count_until(old.last_id)
        changes = (old.vectors - remaining) + (count - remaining)
        measured = queries is None or UNRELATED in old.recall_by_query
        if measured and changes <= old.vectors // REBUILD_SHARE:
            return
        min_recall, max_memory = old.min_recall, old.max_memory
    from embedtool.search.build_approximate import build_search_index

    merge_segments(index)  # a search in hundreds of files takes five times as long
    build_search_index(
        index,
        unrelated=queries,
        min_recall=min_recall,
        max_memory=max_memory,
        progress=progress,
    )
