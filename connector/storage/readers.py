"""The threads that only read the store for people and programs, so that no call waits for a page."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from connector.words import in_language

P = ParamSpec("P")
R = TypeVar("R")

# Each has a connection of its own to the store.
READERS = 3


class Readers:
    """Runs billing functions that only read, so many at once."""

    def __init__(self, threads: int = READERS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pages")

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one billing function; what it returns or raises."""
        bound = functools.partial(in_language(function), *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, bound)

    def close(self) -> None:
        """Begin nothing more; a store that says nothing keeps nobody from stopping."""
        self._threads.shutdown(wait=False, cancel_futures=True)
