"""The thread that writes to the store. It runs several functions of the records in one transaction.

A commit waits for the disk, for 1 to 10 ms, and each call needs four. Functions that were queued meanwhile share the
next commit. The slower the disk, the more functions share one, so 300 calls at once are admitted on any disk
(docs/decisions/0009).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from connector.billing import calls, nodes
from connector.billing.batches import look_ahead
from connector.database.store import batch, is_spoiled, writing
from connector.errors import StoreBusy, StoreUnavailable, StoreUnreachable
from connector.words import in_language

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Other nodes and commands write between two commits.
MOST_TOGETHER = 30
# Functions whose answer no caller waits for are run together with the next one whose answer somebody waits for, or when
# there are ENOUGH of them, or after this time (docs/decisions/0031).
LINGER_S = 0.05
ENOUGH = 8
NOBODY_WAITS = frozenset({calls.dialled, calls.answered, calls.ended, calls.seen, nodes.here})
# A function is tried again for so long if another node has locked its company. Others run before it meanwhile.
PATIENCE_S = 6.0
PAUSE_S = 0.005


@dataclass(eq=False)
class Job:
    """A function to run, and the future of its answer. `urgent`: a caller waits for it."""

    function: Callable[[], Any]
    answer: asyncio.Future[Any]
    urgent: bool = True
    value: Any = None
    error: Exception | None = None
    tried_at: float | None = None

    def run(self) -> None:
        """Run the function in the open transaction, or in one of its own."""
        self.value, self.error = None, None
        self._tried()
        try:
            self.value = self.function()
        except Exception as error:
            self.error = error

    def postpone(self, why: StoreBusy) -> None:
        """Note that the function was not run, because another node has locked its company."""
        self.error = why
        self._tried()

    def _tried(self) -> None:
        if self.tried_at is None:
            self.tried_at = time.monotonic()

    @property
    def patient(self) -> bool:
        """Whether to try again: the first try was less than PATIENCE_S ago. The time in the queue does not count."""
        return self.tried_at is not None and time.monotonic() - self.tried_at < PATIENCE_S

    def tell(self) -> None:
        """Give the answer, on the loop's thread."""
        if self.answer.done():
            return  # nobody waits any more
        if self.error is None and self.tried_at is None:  # a function that did not run never counts as done
            self.error = StoreUnavailable("The operation was not run because of an internal error of the connector.")
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.value)


class Writer:
    """Runs functions on one thread, in the order in which they were asked for. SQLite allows one writer, and on
    PostgreSQL the session of the thread holds the node's name.

    What a function wrote is on the disk before its answer is given.
    """

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        """`first` runs on the thread before anything else."""
        self._first = first
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function; returns or raises what it does."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        urgent = function not in NOBODY_WAITS
        self._jobs.put(Job(functools.partial(in_language(function), *args, **kwargs), answer, urgent))
        return await answer

    def close(self) -> None:
        """Run what is queued, and end the thread."""
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
                _answer([job for job in together if job not in busy])
            except Exception as error:  # a defect of ours: the callers get it, and the thread goes on
                log.exception("a transaction failed: a defect of the connector")
                busy = []
                for job in together:
                    job.error = error
                _answer(together)

    def _next(self, busy: list[Job]) -> list[Job]:
        """The jobs to run now: those that have to be tried again, and new ones. None of them: the writer is closed.

        Without an urgent job, new ones are collected for LINGER_S.
        """
        together = list(busy)
        urgent, until = bool(busy), 0.0
        while len(together) - len(busy) < MOST_TOGETHER:
            new = len(together) - len(busy)
            if not new:
                wait_s = PAUSE_S if busy else None
            elif urgent or new >= ENOUGH:
                wait_s = 0.0
            else:
                wait_s = max(0.0, until - time.monotonic())
            try:
                job = self._jobs.get(timeout=wait_s)
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            together.append(job)
            urgent = urgent or job.urgent
            until = until or time.monotonic() + LINGER_S
        return together


def run_batch(jobs: list[Job]) -> list[Job]:
    """Run jobs in one transaction if possible, else each in its own. Returns those that have to be tried again later.

    The answers are not given yet.
    """
    alone = jobs if len(jobs) == 1 else _together(jobs)
    for job in alone:
        job.run()
        if isinstance(job.error, StoreUnreachable):  # the others would wait for as long and fail too
            for other in alone[alone.index(job) + 1 :]:
                other.error = job.error
            break
    return [job for job in jobs if isinstance(job.error, StoreBusy) and job.patient]


def _together(jobs: list[Job]) -> list[Job]:
    """Run jobs in one transaction. Returns the jobs to run again, each in a transaction of its own.

    These are all jobs, if the store failed for one of them or at the commit, or if one failed after it wrote something;
    otherwise none.
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
    """Other nodes have locked every company of a batch. It is tried again, together with newer jobs."""

    def __init__(self, why: StoreBusy) -> None:
        super().__init__(str(why))
        self.why = why


def _answer(jobs: list[Job]) -> None:
    """Give the answers; a loop is woken once for all of its own."""
    for loop in {job.answer.get_loop() for job in jobs}:
        own = [job for job in jobs if job.answer.get_loop() is loop]
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_tell, own)


def _tell(jobs: list[Job]) -> None:
    for job in jobs:
        job.tell()
