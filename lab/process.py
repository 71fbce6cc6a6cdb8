"""Starting processes that never outlive us, and ending them by their pid.

A pid is only trusted together with its start time (`/proc/PID/stat`): pids are used again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

# A limit costs time only where something is wrong; a machine that is busy with others is not.
PATIENCE = 4.0


@dataclass(frozen=True)
class Identity:
    """One process, for good: its pid and when the kernel says it started (clock ticks since boot)."""

    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """True while this very process runs (a zombie does not)."""
        found = identify(self.pid)
        return found == self

    def send(self, signum: signal.Signals) -> None:
        """Signal it, if it is still the one."""
        if self.alive():
            os.kill(self.pid, signum)


def children(pid: int) -> list[int]:
    """The pids of a process's own children."""
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def identify(pid: int) -> Identity | None:
    """The running process with this pid, or None if there is none (or only its remains)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name, in brackets, may hold spaces
    return None if fields[0] in ("Z", "X") else Identity(pid, int(fields[19]))


def start(
    command: Sequence[str],
    log: Path,
    *,
    env: dict[str, str] | None = None,
    dies_with_parent: bool = True,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a folder, ours if none is named, with its output appended to `log`, out of reach of the
    terminal's Ctrl-C.

    With `dies_with_parent` the kernel ends it when we are gone, however we went (prctl(2), PR_SET_PDEATHSIG).
    """
    words = ["setpriv", "--pdeathsig", "TERM", *command] if dies_with_parent else list(command)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            return subprocess.Popen(
                words,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=folder,
                env={**os.environ, **(env or {})},
            )
        except OSError as error:
            raise LabError(f"cannot start {command[0]}: {error}") from error


def end(process: Identity | None, limit_s: float = 10) -> None:
    """End a process: asked first, killed after `limit_s`; returns when it is gone."""
    if process is None:
        return
    process.send(signal.SIGTERM)
    if not waited(lambda: not process.alive(), limit_s, patience=1):
        process.send(signal.SIGKILL)
        waited(lambda: not process.alive(), limit_s)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def cpu_ms(pid: int, *, with_ended: bool = False) -> float:
    """The CPU time of a process so far, in ms, or also of its children that have ended; 0 if it does not exist."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if with_ended else 13])) * 1000 / os.sysconf("SC_CLK_TCK")


def waited(condition: Callable[[], bool], limit_s: float, every_s: float = 0.05, *, patience: float = PATIENCE) -> bool:
    """Wait until `condition` holds; whether it held. `limit_s` is for a machine that has nothing else to do: it is
    given up after `patience` times as long. 1 where the limit itself is what is claimed.
    """
    deadline = time.monotonic() + limit_s * patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def own_pid() -> int:
    """This process."""
    return os.getpid()
