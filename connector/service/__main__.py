"""`python -m connector.service`: the supervisor, or one of the two processes that it starts."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from connector import config
from connector.errors import ConnectorError, SettingsError
from connector.service import supervisor
from connector.service.supervisor import CANNOT_BEGIN, PARTS

_PR_SET_PDEATHSIG = 1


def main(words: Sequence[str] | None = None) -> int:
    """The exit status: CANNOT_BEGIN if it could not begin, 0 if it was stopped."""
    parser = argparse.ArgumentParser(prog="connector serve", description="Run the connector until it is stopped.")
    parser.add_argument("--config", type=Path, required=True, help="the settings file")
    parser.add_argument("--part", choices=PARTS, help="only this one of the two processes")
    parser.add_argument("--under", type=int, help="the supervisor's pid: the process ends when that one does")
    parser.add_argument("--pulse", type=int, help="where the control process says every second that it is alive")
    parser.add_argument("--keep-trying", action="store_true", help="try again if a process cannot begin")
    parser.add_argument("--verbose", "-v", action="store_true", help="say more")
    asked = parser.parse_args(words)
    logging.basicConfig(
        level=logging.DEBUG if asked.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        if asked.part is None:
            return supervisor.run(asked.config, verbose=asked.verbose, keep_trying=asked.keep_trying)
        if asked.under is not None:
            _end_with(asked.under)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the supervisor waits for its signals with them blocked
        settings = config.read(asked.config)
        # Each process imports what it needs, and nothing of the other.
        if asked.part == "gate":
            import uvloop

            from connector.service import gate

            # Calls leave next to no cycles, so a collection finds little and takes time.
            gc.set_threshold(20_000, 20, 50)
            uvloop.run(gate.serve(settings))
        else:
            from connector.service import control

            asyncio.run(control.serve(settings, asked.pulse))
    except ConnectorError as error:
        sys.stderr.write(f"error: {error}\n")
        return CANNOT_BEGIN
    except KeyboardInterrupt:  # before the signals are ours
        return 130
    return 0


def _end_with(parent: int) -> None:
    """Have the kernel stop this process when its supervisor is gone, however that went (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SettingsError("the supervisor is gone: start 'connector serve'")


if __name__ == "__main__":
    sys.exit(main())
