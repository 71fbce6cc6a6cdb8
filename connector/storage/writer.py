"""The one thread that writes to the store, several billing functions to a commit.

A commit waits for the disk, 1 ms on a good one and 10 ms on a bad one, and each call needs four. What has queued up
meanwhile shares the next commit: so the slower the disk, the more of them go together, and 300 calls at once are
admitted on either (docs/decisions/0009).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from connector.billing.batches import look_ahead
from connector.billing.store import batch, is_spoiled, writing
from connector.errors import StoreBusy, StoreUnavailable, StoreUnreachable

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Others who write, other nodes and the command line, have to get a word in between two commits.
MOST_TOGETHER = 30
# Another node has the company, or two got in each other's way: so long it is tried again, and others go before.
PATIENCE_S = 6.0
PAUSE_S = 0.005


@dataclass(eq=False)
class Job:
    """A billing function to run, and who waits for it."""

    function: Callable[[], Any]
    answer: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None
    tried_at: float | None = None

    def run(self) -> None:
        """Run it in a transaction of its own, or in the one that is open."""
        self.value, self.error = None, None
        self._tried()
        try:
            self.value = self.function()
        except Exception as error:
            self.error = error

    def postpone(self, why: StoreBusy) -> None:
        """It was not run, for another node is in the way."""
        self.error = why
        self._tried()

    def _tried(self) -> None:
        if self.tried_at is None:
            self.tried_at = time.monotonic()

    @property
    def patient(self) -> bool:
        """Whether it was tried for the first time not long ago; how long it waited before is not the store's fault."""
        return self.tried_at is not None and time.monotonic() - self.tried_at < PATIENCE_S

    def tell(self) -> None:
        """Give the answer to who waits, on the loop's thread."""
        if self.answer.done():
            return  # nobody waits any more
        if self.error is None and self.tried_at is None:  # a function that did not run never counts as done
            self.error = StoreUnavailable("it was not run: a defect of the connector")
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.value)


class Writer:
    """Runs billing functions on one thread, in the order they came: SQLite has one writer anyhow, and on PostgreSQL a
    node is known by the session it writes in.

    What a function did is on the disk before its answer is given.
    """

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        """`first` is done on the thread before anything else."""
        self._first = first
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one billing function; what it returns or raises."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.put(Job(functools.partial(function, *args, **kwargs), answer))
        return await answer

    def close(self) -> None:
        """Finish what was asked, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        self._first()
        busy: list[Job] = []
        while True:
            together = self._next(busy)
            if not together:
                return
            try:
                busy = run_batch(together)
                for job in together:
                    if job not in busy:
                        _answer(job)
            except Exception as error:  # a defect of ours: told to who waits, and the thread lives on
                log.exception("the writer stumbled")
                busy = []
                for job in together:
                    job.error = error
                    _answer(job)

    def _next(self, busy: list[Job]) -> list[Job]:
        """What is to be done now: what could not be done before, and what has come. Nothing: that was all."""
        together = list(busy)
        while len(together) - len(busy) < MOST_TOGETHER:
            try:
                first = len(together) == len(busy)
                job = self._jobs.get(first, PAUSE_S if busy else None)
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            together.append(job)
        return together


def run_batch(jobs: list[Job]) -> list[Job]:
    """Run them in one transaction if that can be, else each in its own; those that are to be tried again later. None is
    answered yet.
    """
    alone = jobs if len(jobs) == 1 else _together(jobs)
    for job in alone:
        job.run()
        if isinstance(job.error, StoreUnreachable):  # the others would wait as long, for nothing
            for other in alone[alone.index(job) + 1 :]:
                other.error = job.error
            break
    return [job for job in jobs if isinstance(job.error, StoreBusy) and job.patient]


def _together(jobs: list[Job]) -> list[Job]:
    """Run them in one transaction. All of them again, if the store is broken for one of them or at the commit, for then
    nothing of it stands as far as anybody knows, or if one failed after it wrote something; each is to be run in its
    own.
    """
    try:
        with batch():
            try:
                with writing():
                    look_ahead([job.function for job in jobs])
            except StoreBusy as error:
                raise _Postponed(error) from error
            for job in jobs:
                job.run()
                if isinstance(job.error, StoreUnavailable) and not isinstance(job.error, StoreBusy):
                    raise job.error
                if is_spoiled():
                    raise StoreUnavailable("a function failed half-way")
    except _Postponed as postponed:
        for job in jobs:
            job.postpone(postponed.why)
        return []
    except StoreUnreachable as error:
        for job in jobs:
            job.error = error
        return []
    except StoreUnavailable:
        return jobs
    return []


class _Postponed(Exception):
    """Other nodes have every company of a batch: it is tried again, together with what has come meanwhile."""

    def __init__(self, why: StoreBusy) -> None:
        super().__init__(str(why))
        self.why = why


def _answer(job: Job) -> None:
    try:
        job.answer.get_loop().call_soon_threadsafe(job.tell)
    except RuntimeError:
        return  # its loop is closed: nobody waits
