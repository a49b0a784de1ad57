"""The cores of this process, and work shared out to them in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
LOOK_AHEAD = 4  # photos in flight for each thread


def in_order(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The result of each item, in order, worked out by a thread for each core."""
    window: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cpu_count(), thread_name_prefix="finetune") as pool:
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
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Matrix products on the thread that asks for them: blocks are what is shared out here. Threads
    that share one small product wait for each other, twenty times its own time on a busy machine.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@lru_cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # it looks through all that is loaded
