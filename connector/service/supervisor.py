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
# The control process says every second that it is alive, by a pipe. If it is silent for so long it is killed: nothing
# is lost by that, and a write transaction that it holds would keep the gate from writing.
SILENT_LIMIT_S = 10.0
START_LIMIT_S = 60.0
LOOK_EVERY_S = 1.0
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
        self._pulse: int | None = None
        self._heard_at = 0.0
        self.starts = 0
        self.due_at: float | None = 0.0

    def start(self) -> None:
        """Start it, in a process group of its own: a Ctrl-C is for the supervisor. OSError if that cannot be."""
        self._close_pulse()
        command, ours, its = list(self._command), None, None
        if self.name == "control":
            ours, its = os.pipe()
            os.set_blocking(ours, False)
            command += ["--pulse", str(its)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, process_group=0, pass_fds=() if its is None else (its,)
            )
        finally:
            if its is not None:
                os.close(its)
            self._pulse = ours
        self._began_at, self.due_at = time.monotonic(), None
        self._heard_at = self._began_at + START_LIMIT_S
        self.starts += 1

    def kill_if_silent(self) -> None:
        """Kill it if it has not said for long that it is alive."""
        if self._pulse is None or self._process is None or self._process.poll() is not None:
            return
        now = time.monotonic()
        try:
            if os.read(self._pulse, 4096):
                self._heard_at = now
        except BlockingIOError:
            if now - self._heard_at > SILENT_LIMIT_S:
                log.error("the %s process stands still: it is killed", self.name)
                self._process.kill()

    def _close_pulse(self) -> None:
        if self._pulse is not None:
            os.close(self._pulse)
            self._pulse = None

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


def run(settings: Path, *, verbose: bool = False, keep_trying: bool = False) -> int:
    """Until SIGTERM or SIGINT; the exit status. A process that could not begin the first time ends all of it, unless it
    is to be tried for ever.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it may be ignored where we were started, and then none comes
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    parts = [_Part(name, _command(name, settings, verbose=verbose)) for name in PARTS]
    try:
        while True:
            now = time.monotonic()
            for part in parts:
                if part.due_at is not None and now >= part.due_at:
                    _start(part)
                part.kill_if_silent()
            found = signal.sigtimedwait(_SIGNALS, _seconds_to_wait(parts))
            if found is not None and found.si_signo != signal.SIGCHLD:
                return 0
            for part in parts:
                status = part.ended()
                if status is None:
                    continue
                if status == CANNOT_BEGIN and part.starts == 1 and not keep_trying:
                    return 1  # it has said why
                pause_s = part.plan_restart()
                log.error("the %s process ended (%s): started again in %.1f s", part.name, _words(status), pause_s)
    finally:
        for part in reversed(parts):
            part.stop()


def _start(part: _Part) -> None:
    try:
        part.start()
    except OSError as error:
        pause_s = part.plan_restart()
        log.error("the %s process cannot be started (%s): tried again in %.1f s", part.name, error, pause_s)


def _command(name: str, settings: Path, *, verbose: bool) -> list[str]:
    words = ["--part", name, "--config", str(settings), "--under", str(os.getpid())]
    # -P: no module is taken from the folder that this was started in.
    return [sys.executable, "-P", "-m", "connector.service", *words, *(["--verbose"] if verbose else [])]


def _seconds_to_wait(parts: list[_Part]) -> float:
    due = [part.due_at - time.monotonic() for part in parts if part.due_at is not None]
    return max(0.0, min([LOOK_EVERY_S, *due]))


def _words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
