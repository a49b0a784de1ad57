"""What a writer sees to before it ends: a large collection has an approximate search index."""

from embedtool.core.types import Progress
from embedtool.errors import DerivedDamaged
from embedtool.search.results import EXACT_ROWS, MIN_RECALL, Certificate
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.merge_segments import join_segments
from embedtool.store.writer import Writer

REBUILD_SHARE = 20  # one vector in this many may have come or gone since it was made


def refresh_search(index: Writer, *, progress: Progress | None = None) -> None:
    """Make the approximate index of a large collection where it is missing, damaged, or of too long
    ago. It is asked to hold what the last one was asked for."""
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
        kept = index.count_until(old.last_id)
        if (old.vectors - kept) + (count - kept) <= old.vectors // REBUILD_SHARE:
            return
        min_recall, max_memory = old.min_recall, old.max_memory
    from embedtool.search import build_search

    join_segments(index)  # a search in hundreds of files is five times as slow
    build_search(index, min_recall=min_recall, max_memory=max_memory, progress=progress)
