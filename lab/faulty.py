"""The connector with faults built in: `python -m lab.faulty` is `python -m connector.service`, and a file says what
goes wrong.

The file is named by CONNECTOR_FAULT and holds one word of FAULTS; while it is not there, nothing is different. A fault
that kills takes the file away first, so that it happens once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee

from connector.ari_app.app import ConnectorApp
from connector.billing import calls
from connector.service.__main__ import main

FAULTS = (
    "killed after admission",
    "killed before settling",
    "slow store",
    "fsync error",
    "answers lost",
    "blocked loop",
)
SLOW_S = 2.0
_FILE = Path(os.environ.get("CONNECTOR_FAULT", "/nonexistent"))
_thread = threading.local()


def _is(fault: str) -> bool:
    try:
        return _FILE.read_text() == fault
    except OSError:
        return False


def _die() -> None:
    _FILE.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def _patched(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def _notes_admission(real: Any) -> Any:
    """The next commit is that of an admission, which the writer may have put into one transaction with others."""

    def admit(*args: Any, **kwargs: Any) -> Any:
        _thread.admits = True
        return real(*args, **kwargs)

    return admit


def _dies_before(real: Any) -> Any:
    """The hang-up was heard, and is not yet in the books."""

    def ended(*args: Any, **kwargs: Any) -> Any:
        if _is("killed before settling"):
            _die()
        return real(*args, **kwargs)

    return ended


def _commits_badly(real: Any) -> Any:
    def commit(self: Any) -> Any:
        if _is("fsync error"):
            raise peewee.OperationalError("disk I/O error")
        done = real(self)
        if vars(_thread).pop("admits", False) and _is("killed after admission"):
            _die()  # the commit is done, and nobody ever hears of it
        if _is("answers lost"):
            raise peewee.OperationalError("the connection was lost in COMMIT")
        return done

    return commit


def _begins_slowly(real: Any) -> Any:
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is("slow store"):
            time.sleep(SLOW_S)  # the fault itself: each transaction takes so long
        return real(self, *args, **kwargs)

    return begin


def _blocks(real: Any) -> Any:
    def event(self: Any, message: dict[str, Any]) -> None:
        if _is("blocked loop"):
            _FILE.unlink()
            time.sleep(SLOW_S)  # the fault itself: the event loop stands still
        real(self, message)

    return event


_patched(calls, "admit", _notes_admission)
_patched(calls, "ended", _dies_before)
_patched(peewee.SqliteDatabase, "commit", _commits_badly)
_patched(peewee.SqliteDatabase, "begin", _begins_slowly)
_patched(ConnectorApp, "event", _blocks)

if __name__ == "__main__":
    sys.exit(main())
