"""Long work in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.billing import decks
from connector.billing.profiles import Credentials
from connector.config import StoreSettings
from connector.database.sqlite import FileStore
from connector.errors import BadInput, StoreUnavailable
from connector.storage.apart import Apart
from lab import process
from lab.instance import PROJECT
from lab.speed import much
from tests.conftest import NOW


class Enough(Exception):
    """Somebody does not want the rest."""


def where(tell: Callable[[int, int], None]) -> tuple[int, int]:
    """The process, told as well, and its priority."""
    tell(os.getpid(), 1)
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0)


def for_ever(tell: Callable[[int, int], None]) -> None:
    """Work without an end, with a pause in each step so that its output is not full."""
    while True:
        tell(os.getpid(), 0)
        time.sleep(0.01)


def dies() -> None:
    """As by the system, when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def is_there(pid: int) -> bool:
    """Whether there is such a process, which has not ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _works_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process finds the works of this module."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


@pytest.fixture
def apart(office: Credentials, store: FileStore) -> Apart:
    """For the store of a company with a profile."""
    return Apart(StoreSettings(path=store.path))


def test_it_finds_what_this_process_would_find(apart: Apart) -> None:
    """A sheet, to the last byte of the deck; and what is wrong with one is said in the same words."""
    sheet = much.rate_sheet(3_000)
    assert apart(decks.read, sheet, NOW, None, mode="full") == decks.read(sheet, NOW, None, mode="full")
    with pytest.raises(BadInput) as here:
        decks.read("prefix\nnone", NOW)
    with pytest.raises(BadInput) as there:
        apart(decks.read, "prefix\nnone", NOW)
    assert str(there.value) == str(here.value)


def test_it_has_the_lowest_priority_and_tells_how_far_it_is(apart: Apart) -> None:
    """It is another process, and gone when it has answered."""
    told: list[tuple[int, int]] = []
    pid, priority = apart.told(lambda *value: told.append(value), where)
    assert (told, priority) == ([(pid, 1)], 19)
    assert pid != os.getpid()
    assert not is_there(pid)


def test_work_that_nobody_wants_any_more_is_ended(apart: Apart) -> None:
    """By an error of the function that hears how far it is."""
    told: list[int] = []

    def tell(pid: int, _: int) -> None:
        """It was enough."""
        told.append(pid)
        raise Enough

    with pytest.raises(Enough):
        apart.told(tell, for_ever)
    assert not is_there(told[0])


def test_a_process_that_is_killed_is_one_clear_line(apart: Apart) -> None:
    """Nothing waits for it for ever."""
    with pytest.raises(StoreUnavailable, match="the process for long work died"):
        apart(dies)


def test_an_answer_that_is_cut_off_is_one_too(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it, none of it, and no process at all."""
    for shell in (r"head -c 1 > /dev/null; printf '\200\005\225'", "exit 1", "exec sleep 0"):
        monkeypatch.setattr("connector.storage.apart._COMMAND", ("sh", "-c", shell))
        with pytest.raises(StoreUnavailable, match="the process for long work died"):
            apart(decks.read, much.rate_sheet(3_000), NOW)
    monkeypatch.setattr("connector.storage.apart._COMMAND", ("/nowhere/python",))
    with pytest.raises(StoreUnavailable, match="the process for long work died"):
        apart(decks.read, "", NOW)


def test_it_ends_with_the_process_that_started_it(store: FileStore) -> None:
    """Killed, that one cannot end anything itself."""
    code = (
        "from connector.config import StoreSettings; from connector.storage.apart import Apart;"
        "from tests.storage.test_apart import for_ever; from pathlib import Path;"
        f"Apart(StoreSettings(path=Path({str(store.path)!r}))).told(lambda pid, _: print(pid, flush=True), for_ever)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.kill()
    assert process.waited(lambda: not is_there(pid), 10)
