"""Update what a search needs besides the vectors, before a writer ends."""

from collections.abc import Callable

from embedtool.core.types import Progress, Vectors
from embedtool.errors import DerivedDamaged
from embedtool.search.centre import centre_digest, refresh_centre
from embedtool.search.recall_certificate import BLENDED, MIN_RECALL, Certificate
from embedtool.search.results import EXACT_ROWS
from embedtool.store.derived import SEARCH, open_derived
from embedtool.store.merge_segments import merge_segments
from embedtool.store.writer import Writer

REBUILD_SHARE = 20  # rebuild if more than one vector in this many was added or removed


def refresh_search_index(
    index: Writer,
    *,
    unrelated: Callable[[str, int], Vectors | None] = lambda fingerprint, dim: None,
    load: bool = False,
    progress: Progress | None = None,
) -> None:
    """Compute the centre of a collection if it is missing or out of date, and build the approximate
    index of a large one if it is missing, damaged, out of date or for another centre.

    The new index must meet the requirements of the last one. unrelated: returns vectors (m, d) of
    unrelated pictures under the network of a fingerprint to measure recall with, if it can; an
    index that was not measured with such vectors is then built again. load: also build it again if
    its checksum is right, but faiss cannot read it."""
    centre = refresh_centre(index)
    count = index.counts()["vectors"]
    if count <= EXACT_ROWS:
        return
    min_recall, max_memory, up_to_date = MIN_RECALL, None, False
    try:
        opened = open_derived(index.path, SEARCH, index.fingerprint)
        old = Certificate.of(opened[0]) if opened else None
        if old and load:
            from embedtool.search.searcher import read_faiss_index

            read_faiss_index(index)
    except DerivedDamaged:
        old = None
    if old:
        remaining = index.count_until(old.last_id)
        changes = (old.vectors - remaining) + (count - remaining)
        up_to_date = changes <= old.vectors // REBUILD_SHARE and old.centre == centre_digest(centre)
        if up_to_date and BLENDED in old.recall_by_query:
            return
        min_recall, max_memory = old.min_recall, old.max_memory
    queries = unrelated(index.fingerprint, index.dim)
    if up_to_date and queries is None:
        return
    from embedtool.search.build_approximate import build_search_index

    merge_segments(index)  # a search in hundreds of files takes five times as long
    build_search_index(
        index,
        unrelated=queries,
        min_recall=min_recall,
        max_memory=max_memory,
        progress=progress,
    )
