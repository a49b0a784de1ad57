"""The cores of this process, and parallel work on them with ordered results."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
LOOK_AHEAD = 4  # items in flight for each thread


def map_in_order(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the result of each item, in order, computed by one thread per core."""
    window: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cpu_count(), thread_name_prefix="embedtool") as pool:
        try:
            for item in items:
                window.append(pool.submit(work, item))
                if len(window) >= LOOK_AHEAD * cpu_count():
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for waiting in window:
                waiting.cancel()


def cpu_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Compute each matrix product on the calling thread, for work that is split over threads.

    Threads that share one small product wait for each other: on a busy machine, twenty times as
    long as the product itself takes.
    """
    with _blas_libraries(len(sys.modules)).limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _blas_libraries(modules: int) -> "ThreadpoolController":
    """Find the BLAS libraries that are loaded, once for each number of imported modules.

    This takes 4 ms. SciPy has its own BLAS, and may be imported after the first call."""
    from threadpoolctl import ThreadpoolController  # takes 5 ms, and few commands need it

    return ThreadpoolController()
