"""The one thread that writes to the store, several billing functions to a commit.

A commit waits for the disk, 1 ms on a good one and 10 ms on a bad one, and each call needs four. What has queued up
meanwhile shares the next commit: so the slower the disk, the more of them go together, and 300 calls at once are
admitted on either (docs/decisions/0009).
"""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from connector.billing.store import writing
from connector.errors import StoreUnavailable

P = ParamSpec("P")
R = TypeVar("R")

# Others who write, the command line and its like, have to get a word in between two commits.
MOST_TOGETHER = 50


@dataclass
class _Job:
    """A billing function to run, and who waits for it."""

    function: Callable[[], Any]
    answer: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None

    def run(self) -> None:
        """Run it in a transaction of its own, or in the one that is open."""
        self.value, self.error = None, None
        try:
            self.value = self.function()
        except Exception as error:
            self.error = error

    def tell(self) -> None:
        """Give the answer to who waits, on the loop's thread."""
        if self.answer.done():
            return  # nobody waits any more
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.value)


class Writer:
    """Runs billing functions on one thread, in the order they came: SQLite has one writer anyhow.

    What a function did is on the disk before its answer is given.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one billing function; what it returns or raises."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(functools.partial(function, *args, **kwargs), answer))
        return await answer

    def close(self) -> None:
        """Finish what was asked, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            together = [first]
            while len(together) < MOST_TOGETHER and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    self._jobs.put(None)
                    break
                together.append(job)
            _run(together)
            for job in together:
                _answer(job)


def _run(jobs: list[_Job]) -> None:
    if len(jobs) == 1 or not _together(jobs):
        for job in jobs:
            job.run()


def _together(jobs: list[_Job]) -> bool:
    """Run them in one transaction. False: the store is broken for one of them, or for all at the commit, and nothing
    of it stands as far as anybody knows; each is to be tried in its own.
    """
    begun = False
    try:
        with writing():
            begun = True
            for job in jobs:
                job.run()
                if isinstance(job.error, StoreUnavailable):
                    raise job.error
    except StoreUnavailable as error:
        if begun:
            return False
        for job in jobs:  # to wait for a locked store once more for each would be to wait for ever
            job.error = error
    return True


def _answer(job: _Job) -> None:
    try:
        job.answer.get_loop().call_soon_threadsafe(job.tell)
    except RuntimeError:
        return  # its loop is closed: nobody waits
