"""An event loop whose time is virtual: where it would wait, it jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Deadlock(Exception):
    """Nothing is left that could ever happen, and the work is not done."""


class _NoSelector:
    """Nobody writes to us from outside: to wait is to let the time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let so much time pass."""
        if timeout is None:
            raise Deadlock
        self._loop.now_s += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that sleeps through nothing. `now_s` is its time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _NoSelector(self)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits elsewhere."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run in virtual time, from 0 on, until the work is done; what it left is cancelled."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
