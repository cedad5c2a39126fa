"""Many calls at once over a stream: a few are under way, the rest has not been looked at yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_PER_WORKER = 4
_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_ahead(function: Callable[[_In], _Out], items: Iterable[_In], *, workers: int) -> Iterator[_Out]:
    """Call a function for each item, some at once; the answers come in the order of the items.

    The first call that fails ends it: what has not begun by then never does.
    """
    waiting: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= workers * _PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
