"""Starts the gate and the control process, and starts again whichever dies. It does nothing else, so it has nothing to
die of: it opens no store and no port.

    connector serve
      gate      decides and follows calls          (service/gate.py)
      control   pages, API, config, and the rest   (service/control.py)

The control process is stopped first: calls by call buttons end with it, and the gate records those ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

log = logging.getLogger(__name__)

PARTS = ("gate", "control")
# A process ends with this status if it could not begin: a wrong setting, a port that is taken, no store.
CANNOT_BEGIN = 78  # EX_CONFIG of sysexits.h
# A process that died is started again after the first pause, and after twice the last one if it died soon again.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LIVED_LONG_S = 60.0
# So long a process may take to stop. The gate records the ends of calls that it has heard of.
STOP_LIMIT_S = {"control": 5.0, "gate": 8.0}
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


class _Part:
    """One of the two processes."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self.starts = 0
        self.due_at: float | None = 0.0

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        self._began_at, self.due_at = time.monotonic(), None
        self.starts += 1

    def ended(self) -> int | None:
        """Its exit status if it ended and is not to be started again yet; None while it runs."""
        return None if self._process is None or self.due_at is not None else self._process.poll()

    def plan_restart(self) -> float:
        """Set when it is started again; in how many seconds that is."""
        if time.monotonic() - self._began_at > LIVED_LONG_S:
            self._pause_s = FIRST_PAUSE_S
        pause_s = self._pause_s
        self.due_at = time.monotonic() + pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S[self.name])
        except subprocess.TimeoutExpired:
            log.error("the %s process did not stop within %.0f s: it is killed", self.name, STOP_LIMIT_S[self.name])
            self._process.kill()
            self._process.wait()


def run(settings: Path, *, verbose: bool = False) -> int:
    """Until SIGTERM or SIGINT; the exit status. A process that could not begin the first time ends all of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    parts = [_Part(name, _command(name, settings, verbose=verbose)) for name in PARTS]
    try:
        while True:
            now = time.monotonic()
            for part in parts:
                if part.due_at is not None and now >= part.due_at:
                    part.start()
            found = signal.sigtimedwait(_SIGNALS, _seconds_to_wait(parts))
            if found is not None and found.si_signo != signal.SIGCHLD:
                return 0
            for part in parts:
                status = part.ended()
                if status is None:
                    continue
                if status == CANNOT_BEGIN and part.starts == 1:
                    return 1  # it has said why
                pause_s = part.plan_restart()
                log.error("the %s process ended (%s): started again in %.1f s", part.name, _words(status), pause_s)
    finally:
        for part in reversed(parts):
            part.stop()


def _command(name: str, settings: Path, *, verbose: bool) -> list[str]:
    words = ["--part", name, "--config", str(settings), "--under", str(os.getpid())]
    # -P: no module is taken from the folder that this was started in.
    return [sys.executable, "-P", "-m", "connector.service", *words, *(["--verbose"] if verbose else [])]


def _seconds_to_wait(parts: list[_Part]) -> float:
    due = [part.due_at - time.monotonic() for part in parts if part.due_at is not None]
    return max(0.0, min(due, default=3600.0))


def _words(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
