"""Runs long work that only reads the store in a process of its own, which gets the processor after everybody else.

In a thread it would hold Python's lock, for which pages and the sound of call buttons wait, and take processor time
from calls. The process reads its work on its standard input, and writes its progress and its result to its output, as
pickles. It ends with the process that started it, also if that is killed: then its input ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from connector.config import StoreSettings
from connector.database.sqlite import journal_mode
from connector.errors import StoreUnavailable
from connector.storage import stores

R = TypeVar("R")

_LOWEST = 19
_COMMAND = (sys.executable, "-P", "-m", "connector.storage.apart")


class Apart:
    """Starts such processes, for one store."""

    def __init__(self, store: StoreSettings) -> None:
        self._store = store

    def __call__(self, work: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Do it; what it returns or raises. It waits: call it from a thread. StoreUnavailable if the process dies."""
        return self._done(work, args, kwargs, None)

    def told(self, tell: Callable[[int, int], None], work: Callable[..., R], *args: Any) -> R:
        """The same for work that takes, as its last argument, a function by which it tells how far it is. If `tell`
        raises something, the process is ended and that is raised.
        """
        return self._done(work, args, {}, tell)

    def _done(
        self,
        work: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        tell: Callable[[int, int], None] | None,
    ) -> R:
        died = StoreUnavailable("the process for long work died ({name}): try again", name=work.__name__)
        try:
            process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise died from error
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            try:
                pickle.dump((self._store, work, args, kwargs, tell is not None), process.stdin)
                process.stdin.flush()
            except OSError as error:
                raise died from error
            while True:
                try:
                    kind, value = pickle.load(process.stdout)
                except (EOFError, OSError, pickle.UnpicklingError) as error:
                    raise died from error
                if kind == "told" and tell is not None:
                    tell(*value)
                elif kind == "failed":
                    raise value
                elif kind == "done":
                    found: R = value
                    return found
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(OSError):  # what it did not read
                process.stdin.close()


def _main(told: BinaryIO, tells: BinaryIO) -> None:
    """What the process does."""
    place, work, args, kwargs, wants_tell = pickle.load(told)
    os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
    # Without a write-ahead log who writes waits for who reads, so that one has to come to its end.
    if place.path is None or journal_mode() == "wal":
        with contextlib.suppress(OSError):  # a system may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    threading.Thread(target=_end_with, args=(told.fileno(),), daemon=True).start()

    def tell(*value: int) -> None:
        """Say how far it is."""
        pickle.dump(("told", value), tells)
        tells.flush()

    store = stores.opened(place)
    try:
        answer = ("done", work(*args, *([tell] if wants_tell else []), **kwargs))
    except Exception as error:  # raised where it was asked for
        answer = ("failed", error)
    finally:
        store.close()
    pickle.dump(answer, tells)
    tells.flush()


def _end_with(told: int) -> None:
    """End this process when the one that started it is gone: nothing more comes, and then the end."""
    os.read(told, 1)
    os._exit(1)


if __name__ == "__main__":
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    _main(sys.stdin.buffer, out)
